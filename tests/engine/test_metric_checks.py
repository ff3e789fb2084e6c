"""Results that would make COCO's evaluator lie."""

import math

import numpy as np
import pytest

from retina_plugin.engine.metric_checks import check_result, say_coverage
from retina_plugin.errors import UserError


def result(boxes=((0, 0, 5, 5), (1, 1, 9, 9)), scores=(0.9, 0.8), labels=(0, 2), **more):
    arrays = {"bboxes": np.float32(boxes), "scores": np.float32(scores), "labels": np.array(labels)}
    return {"img_id": 4, **arrays, **more}


def check(found, path="cat.jpg", class_count=3, images=(4, 5)):
    check_result(found, path, class_count, images)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["bboxes", "scores", "mask_scores"])
def test_what_is_not_finite_is_counted_and_the_image_named(where, broken):
    found = result(mask_scores=np.ones(2))
    found[where].reshape(2, -1)[1, 0] = broken
    with pytest.raises(UserError, match=rf"1 of 2 .*image id 4 \(cat.jpg\).* {where} "):
        check(found)
    with pytest.raises(UserError, match="image id 4 have"):
        check(found, path=None)


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_of_no_class_is_named_with_its_image(label):
    with pytest.raises(UserError, match=rf"image id 4 .*label {label}, .* 3 classes, labels 0..2"):
        check(result(labels=(0, label)))
    check(result(labels=(0, label)), class_count=None)


def test_an_unknown_image_is_named():
    with pytest.raises(UserError, match=r"image id 4 \(cat.jpg\), which the ground truth lacks"):
        check(result(), images={5})
    check(result(), images=None)


def test_scores_are_free_and_an_image_may_be_empty():
    check(result(scores=(-7.0, 12.0)))
    check(result(boxes=np.zeros((0, 4)), scores=(), labels=np.zeros(0, int)))


def test_images_without_a_result_are_counted(logged):
    say_coverage({1, 2}, 2)
    assert logged.text == ""
    say_coverage({1, 2}, 5)
    assert "Results cover 2 of the 5 images" in logged.text
