import math

import pytest

from retina_plugin.engine.diagnosis import Facts, likely_cause

NAN = math.nan
IMAGE = {"path": "a.jpg", "id": 1, "pixels_finite": True, "boxes": [[0, 0, 9, 9]], "labels": [0]}


def facts(**changes):
    fine = {
        "iteration": 7,
        "optimizer": "SGD",
        "learning_rate": 0.01,
        "images_per_step": 16,
        "losses": {"loss": NAN},
        "gradient_norms": {"a": NAN},
        "weights_not_finite": [],
        "images": [IMAGE],
    }
    return Facts(**{**fine, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weights_not_finite": ["neck.w"]}, "neck.w was not finite before it"),
        ({"images": [{**IMAGE, "pixels_finite": False}]}, "image a.jpg has pixels"),
        ({"images": [{**IMAGE, "boxes": [[3, 3, 3, 9]]}]}, "a.jpg has the box [3, 3, 3, 9]"),
        ({"images": [{**IMAGE, "boxes": [[0, 0, NAN, 9]]}]}, "a.jpg has the box"),
        ({"losses_in_float32": {"loss": 1.0}}, "finite in float32"),
        ({"learning_rate": 0.05}, "5.0 times the paper's for 16 images"),
        ({"images_per_step": 2, "learning_rate": 0.01}, "8.0 times the paper's for 2 images"),
        ({"losses": {"loss": 1.0}}, "the gradient of a overflowed"),
        ({}, "activations grew"),
        ({"optimizer": "AdamW", "learning_rate": 0.5}, "activations grew"),
    ],
)
def test_the_cause_is_the_first_that_the_facts_bear(changes, words):
    assert words in likely_cause(facts(**changes)).text


def test_an_earlier_explanation_comes_before_a_later_one():
    spoilt = facts(weights_not_finite=["w"], learning_rate=9.0)
    assert "w was not finite" in likely_cause(spoilt).text
