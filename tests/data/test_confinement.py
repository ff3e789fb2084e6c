import pytest

from retina_plugin.data.confinement import check_file_names, is_inside, leaves
from retina_plugin.data.entries import Entries
from retina_plugin.errors import UserError


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../a.png", "b/../../a.png", "..", "http://h/a.png", "C:\\a.png", "..\\a.png"],
)
def test_what_leads_out(path):
    assert leaves(path)


@pytest.mark.parametrize("path", ["a.png", "b/../a.png", "./a.png", "b..c/..a.png", "a b/ö.png"])
def test_what_stays_inside(path):
    assert not leaves(path)


@pytest.mark.parametrize("name", ["a\0.png", "\ud800.png", "a\nb.png"])
def test_a_name_that_is_no_path_is_an_error_whatever_is_allowed(name):
    images = Entries("a.json", "image", [{"id": 3, "file_name": name}])
    with pytest.raises(UserError, match="image id 3: file_name must be a path without"):
        check_file_names(images, [name], allow_outside=True)


def test_links_are_followed(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir(), outside.mkdir()
    (outside / "a.png").touch()
    (inside / "link.png").symlink_to(outside / "a.png")
    (inside / "own.png").symlink_to(inside / "b.png")
    folders = (str(inside),)
    assert not is_inside(str(inside / "link.png"), folders)
    assert is_inside(str(inside / "own.png"), folders)
    assert is_inside(str(inside / "link.png"), (str(outside),))
    assert not is_inside(f"{inside}side/a.png", folders)


def test_a_folder_that_is_a_link_is_followed(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir(), outside.mkdir()
    (inside / "sub").symlink_to(outside)
    assert not is_inside(str(inside / "sub" / "a.png"), (str(inside),))
    assert is_inside(str(inside / "sub" / "a.png"), (str(outside),))
    assert not is_inside(str(inside / "sub" / ".." / "a.png"), (str(inside),))
    assert not is_inside(str(inside / "sub" / ".."), (str(inside),))
