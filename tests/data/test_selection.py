import math

import numpy as np
import pytest

from retina_plugin.data.entries import Entries
from retina_plugin.data.selection import REASONS, Images, report, select
from retina_plugin.errors import UserError

IMAGES = Images(np.array([30, 10]), np.array([64, 100]), np.array([48, 50]))


def reason_of(**fields):
    row = {"id": 1, "image_id": 10, "category_id": 2, "bbox": [5, 5, 20, 20], **fields}
    entries = Entries("a.json", "annotation", [row])
    chosen = select(entries, IMAGES, in_file=np.array([1, 2, 3]), asked=np.array([2, 3]))
    return None if chosen.reason[0] < 0 else REASONS[chosen.reason[0]]


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"category_id": 1}, "other classes"),
        ({"ignore": 1}, "marked ignore"),
        ({"category_id": 7}, "category_id"),
        ({"image_id": 20}, "image_id"),
        ({"bbox": [5, math.nan, 20, 20]}, "not finite"),
        ({"bbox": [5, 5, 20, math.inf]}, "not finite"),
        ({"bbox": [1e38, 5, 3e38, 20]}, "not finite"),  # overflows single precision
        ({"bbox": [5, 5, 0.9, 20]}, "1 px"),
        ({"bbox": [5, 5, 20, -20]}, "1 px"),
        ({"bbox": [100, 5, 20, 20]}, "outside"),  # the image is 100 px wide
        ({"bbox": [5, -20, 20, 20]}, "outside"),
        ({"area": 0}, "area"),
        ({"area": math.nan}, "area"),
    ],
)
def test_each_reason(fields, word):
    assert word in reason_of(**fields)


@pytest.mark.parametrize(
    "fields",
    [{}, {"bbox": [99, 49, 20, 20]}, {"iscrowd": 1}, {"area": 0.5}, {"keypoints": [1, 2, 2]}],
)
def test_what_is_kept(fields):
    assert reason_of(**fields) is None


def test_missing_area_and_crowd_flag_are_filled_in():
    row = {"id": 1, "image_id": 30, "category_id": 2, "bbox": [5, 5, 20, 10], "area": None}
    entries = Entries("a.json", "annotation", [row])
    chosen = select(entries, IMAGES, np.array([2]), np.array([2]))
    assert (row["area"], row["iscrowd"]) == (200, 0)
    assert chosen.image.tolist() == [0]


def test_integers_that_are_too_long_for_a_tensor_become_floats():
    row = {"id": 1, "image_id": 30, "category_id": 2, "bbox": [-(2**70), 0, 2**71, 10]}
    select(Entries("a.json", "annotation", [row]), IMAGES, np.array([2]), np.array([2]))
    assert row["bbox"] == [-(2.0**70), 0, 2.0**71, 10]
    assert all(type(value) is float for value in row["bbox"])


def test_a_report_counts_by_reason_and_names_the_first_that_is_wrong(logged):
    rows = [{"id": 11, "image_id": 3}, {"id": 12, "image_id": 4}, {"id": 13, "image_id": 5}]
    entries = Entries("a.json", "annotation", rows)
    report(entries, np.array([0, REASONS.index("outside the image"), -1]), max_dropped=0.5)
    assert "left out 2 of 3 annotations: 1 of other classes, 1 outside the image" in logged.text
    assert "annotation id 12 (image id 4)" in logged.text


def test_nothing_left_out_is_not_worth_a_line(logged):
    report(Entries("a.json", "annotation", [{}]), np.array([-1]), max_dropped=0)
    assert not logged.text


def test_the_ceiling_counts_what_is_asked_for_only():
    wrong = REASONS.index("outside the image")
    entries = Entries("a.json", "annotation", [{"id": i} for i in range(6)])
    reason = np.array([0, 0, 0, wrong, wrong, -1])  # two of three
    report(entries, reason, max_dropped=0.7)
    with pytest.raises(UserError, match="2 of 3 annotations cannot be used.*max_dropped=0.5"):
        report(entries, reason, max_dropped=0.5)
