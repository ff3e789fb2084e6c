import json

import pytest

from retina_plugin.errors import UserError
from retina_plugin.recipe.annotations import Summary, read_annotations

GOOD = {
    "images": [{"file_name": "b.png", "width": 30, "height": 40}, {"width": 60, "height": 20}],
    "categories": [{"id": 2, "name": "b"}, {"id": 1, "name": "a"}],
    "annotations": [{"category_id": 1}, {"category_id": 1, "iscrowd": 1}, {}],
}


@pytest.fixture
def read(tmp_path):
    def write_and_read(content, encoding="utf-8"):
        path = tmp_path / "a.json"
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding=encoding)
        return read_annotations({"ann_file": str(path)}, "the.key")

    return write_and_read


def test_a_summary_keeps_the_order_of_the_file(read):
    assert read(GOOD) == Summary(
        ("b", "a"), "b.png", annotations=3, median_size=(50, 25), objects={"b": 0, "a": 1}
    )


def test_an_id_that_is_a_whole_float_is_that_id(read):
    annotations = [{"category_id": 1.0}, {"category_id": "1"}, {"category_id": [1]}]
    assert read({**GOOD, "annotations": annotations}).objects == {"b": 0, "a": 1}


def test_a_size_that_is_missing_leaves_no_median(read):
    for height in (None, "4", float("nan"), 10**30, -1):
        images = [{"width": 3, "height": 4}, {"width": 3, "height": height}]
        assert read({**GOOD, "images": images}).median_size is None


def test_a_file_for_testing_may_lack_annotations(read):
    assert read({key: GOOD[key] for key in ("images", "categories")}).annotations == 0


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is empty"),
        ("{", "not valid JSON"),
        ("[" * 100000, "not valid JSON"),
        ([], "lists no images"),
        ({**GOOD, "images": []}, "lists no images"),
        ({**GOOD, "images": [{}, 1]}, "entry number 2 of images must be an object"),
        ({**GOOD, "images": {"a": 1}}, "lists no images"),
        ({**GOOD, "images": 7}, "lists no images"),
        ({**GOOD, "annotations": {}}, "lists no annotations"),
        ({**GOOD, "annotations": [3]}, "entry number 1 of annotations must be .* but it is 3"),
        ({"images": [{}]}, "lists no categories"),
        ({**GOOD, "categories": [{"id": 3}]}, "category id 3: name must be a text"),
        ({**GOOD, "categories": [{"name": ""}]}, "category number 1: name must be"),
        ({**GOOD, "categories": [{"name": "a"}, {"name": "a"}]}, "several categories named a"),
    ],
)
def test_a_broken_file_is_one_sentence_with_file_and_key(read, tmp_path, content, problem):
    with pytest.raises(UserError, match=problem) as caught:
        read(content)
    assert str(tmp_path / "a.json") in str(caught.value)
    assert str(caught.value).startswith("the.key.ann_file:")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="no annotation file .*gone.json"):
        read_annotations({"ann_file": str(tmp_path / "gone.json")}, "key")


def test_a_byte_order_mark_is_read_over(read):
    assert read(GOOD, encoding="utf-8-sig").names == ("b", "a")


def test_a_file_that_changed_is_read_again(read):
    assert read(GOOD).annotations == 3
    assert read({**GOOD, "annotations": []}).annotations == 0


def test_a_file_on_a_storage_is_fetched_once(bucket, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(GOOD))
    dataset = {"ann_file": "bucket://a.json", "backend_args": bucket(tmp_path)}
    assert read_annotations(dataset, "key").names == ("b", "a")
    (tmp_path / "a.json").unlink()
    assert read_annotations(dataset, "key").names == ("b", "a")


def test_what_cannot_be_fetched_is_named(bucket, tmp_path):
    dataset = {"ann_file": "bucket://gone.json", "backend_args": bucket(tmp_path)}
    with pytest.raises(UserError, match="key.ann_file: cannot fetch bucket://gone.json: .*No such"):
        read_annotations(dataset, "key")


def test_what_is_wrong_in_a_fetched_file_has_its_own_name(bucket, tmp_path):
    (tmp_path / "broken.json").write_text("{")
    dataset = {"ann_file": "bucket://broken.json", "backend_args": bucket(tmp_path)}
    with pytest.raises(UserError, match="key.ann_file: bucket://broken.json is not valid JSON"):
        read_annotations(dataset, "key")
