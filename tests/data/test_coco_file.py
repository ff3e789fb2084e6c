import pytest

from retina_plugin.data.coco_file import check_class_names, read_coco
from retina_plugin.errors import UserError


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("cat", "expected a tuple of names, got 'cat'"),
        (("cat", 3), "expected a tuple of names"),
        ((), "names that differ"),
        (("cat", "cat"), "names that differ"),
        (("cat", "dgo"), r"no category 'dgo' \(did you mean 'dog'\?\) \(1 of 2"),
    ],
)
def test_classes_are_different_names_of_the_file(asked, message):
    with pytest.raises(UserError, match=message):
        check_class_names(asked, ("cat", "dog"), "a.json")
    check_class_names(["dog"], ("cat", "dog"), "a.json")


def test_a_pickle_is_refused_by_its_name(tmp_path):
    for name in ("a.pkl", "a.pickle"):
        (tmp_path / name).write_bytes(b"\x80\x04.")
        with pytest.raises(UserError, match="is a pickle"):
            read_coco(str(tmp_path / name))
