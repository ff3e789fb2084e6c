"""Ground truth that would make COCO's evaluator lie."""

import codecs
import json
import math

import pytest

from retina_plugin.engine.ground_truth import complete_truth, read_truth
from retina_plugin.errors import UserError


def truth(**changes):
    box = {"id": 7, "image_id": 4, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 5, "iscrowd": 1}
    box = {key: value for key, value in {**box, **changes}.items() if value != "none"}
    return {"images": [{"id": 4}], "annotations": [box]}


def test_missing_fields_of_the_truth_are_filled_and_counted(logged):
    content = truth(iscrowd="none", area="none")
    complete_truth(content, "val.json")
    assert (content["annotations"][0]["iscrowd"], content["annotations"][0]["area"]) == (0, 12)
    assert "val.json: of 1 annotations 1 lack iscrowd" in logged.text
    assert "1 lack area" in logged.text


def test_a_complete_truth_stays_and_says_nothing(logged):
    content = truth()
    complete_truth(content, "val.json")
    assert content == truth()
    assert logged.text == ""


def test_a_truth_without_boxes_says_what_its_numbers_mean(logged):
    complete_truth({"images": [{"id": 1}], "annotations": []}, "val.json")
    assert "val.json has no annotation: every AP is -1" in logged.text


@pytest.mark.parametrize(
    "changes",
    [
        {"bbox": [1, 2, math.nan, 4]},
        {"bbox": [1, 2, 3]},
        {"bbox": None},
        {"bbox": "none"},
        {"bbox": ["1", "2", "3", "4"]},
        {"area": math.inf},
        {"area": "5"},
    ],
)
def test_a_box_of_the_truth_that_is_none_is_named(changes):
    with pytest.raises(UserError, match=r"val.json: annotation id 7 of image id 4 needs a bbox"):
        complete_truth(truth(**changes), "val.json")


def test_an_annotation_with_id_0_is_told_of(logged):
    complete_truth(truth(id=0), "val.json")
    assert "val.json has an annotation with id 0" in logged.text


def test_a_file_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "val.json"
    content = {**truth(area="none"), "categories": [{"id": 2, "name": "b"}, {"id": 1, "name": "a"}]}
    path.write_bytes(codecs.BOM_UTF8 + json.dumps(content).encode())
    read = read_truth(str(path), None)
    assert read.img_ann_map[4][0]["area"] == 12
    assert [category["id"] for category in read.dataset["categories"]] == [2, 1]
    by_id = read_truth(str(path), None, by_id=True)
    assert [category["id"] for category in by_id.dataset["categories"]] == [1, 2]


def test_a_broken_file_is_named(tmp_path):
    path = tmp_path / "val.json"
    path.write_text("{")
    with pytest.raises(UserError, match="val.json is not valid JSON"):
        read_truth(str(path), None)
