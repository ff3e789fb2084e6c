import math

import numpy as np
import pytest

from retina_plugin.data.entries import Entries
from retina_plugin.errors import UserError


def entries(*rows):
    return Entries("a.json", "annotation", list(rows))


@pytest.mark.parametrize("value", [None, "12", 1.5, True, [1], math.nan, 2**63])
def test_what_is_no_integer_is_named_with_its_entry(value):
    table = entries({"id": 4, "image_id": 1}, {"id": 5, "image_id": value})
    with pytest.raises(UserError, match="a.json: annotation id 5.*: image_id must be an integer"):
        table.integers("image_id")


def test_a_missing_field_is_called_missing_and_an_entry_without_id_is_counted():
    with pytest.raises(UserError, match=r"annotation number 2 \(image id 3\): id .* is missing"):
        entries({"id": 1}, {"image_id": 3}).ids()


def test_whole_floats_are_integers():
    assert entries({"id": 12.0}, {"id": -1}).ids().tolist() == [12, -1]


def test_an_id_that_is_there_twice_is_named():
    with pytest.raises(UserError, match=r"3 have annotation id 7 \(1 such ids\)"):
        entries({"id": 7}, {"id": 1}, {"id": 7}, {"id": 7.0}).ids()


@pytest.mark.parametrize("value", [0, -3, 2**31, "640", None])
def test_a_side_is_a_number_of_pixels_above_0(value):
    with pytest.raises(UserError, match="annotation id 1: width must be"):
        entries({"id": 1, "width": value}).sides("width")


@pytest.mark.parametrize(
    "value", [None, [], [1, 2, 3], [1, 2, 3, "4"], [1, 2, 3, None], [1, 2, 3, True], "1234", {}, 3]
)
def test_a_box_is_four_numbers(value):
    with pytest.raises(UserError, match="annotation id 2: bbox must be a list of four numbers"):
        entries({"id": 1, "bbox": [1, 2, 3, 4]}, {"id": 2, "bbox": value}).boxes()


def test_numbers_beyond_double_precision_are_infinite():
    boxes = entries({"bbox": [1, 2.5, 10**400, 4]}).boxes()
    assert boxes.tolist() == [[1, 2.5, math.inf, 4]]


def test_optional_fields_have_defaults_and_are_checked():
    table = entries({"area": 3}, {"area": None, "iscrowd": 1}, {"iscrowd": None})
    assert table.numbers("area", default=np.array([7, 8, 9])).tolist() == [3, 8, 9]
    assert table.flags("iscrowd").tolist() == [False, True, False]
    with pytest.raises(UserError, match="area must be a number, but it is '9'"):
        entries({"area": "9"}).numbers("area", default=np.zeros(1))
    for value in (2, "0", [1]):
        with pytest.raises(UserError, match="iscrowd must be 0 or 1"):
            entries({"iscrowd": value}).flags("iscrowd")
