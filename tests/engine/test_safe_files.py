"""Files are there whole or not at all."""

import os
import stat

import pytest

from retina_plugin.engine import safe_files
from retina_plugin.engine.safe_files import SafeLocalBackend, remove_unfinished, write_whole


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(b"old")
    return path


@pytest.mark.parametrize("step", ["fdopen", "fsync", "replace"])
def test_error_at_any_step_leaves_the_old_file_and_nothing_else(file, monkeypatch, step):
    def fail(*_):
        raise OSError(28, "No space left on device")

    owner = safe_files.Path if step == "replace" else os
    monkeypatch.setattr(owner, step, fail)
    with pytest.raises(
        ValueError, match="cannot be written .No space left on device.: what was saved"
    ):
        write_whole(file, b"new")
    monkeypatch.undo()
    assert file.read_bytes() == b"old"
    assert os.listdir(file.parent) == ["a.pth"]


def test_new_content_takes_the_place_of_the_old(file):
    write_whole(file, b"new")
    assert file.read_bytes() == b"new"
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~mask


def test_what_is_half_written_never_bears_the_name(file, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append(file.read_bytes()))
    write_whole(file, b"new")
    assert seen[0] == b"old"


def test_files_are_removed_after_what_is_written(file):
    backend, other = SafeLocalBackend(), SafeLocalBackend()
    with backend.removing_later():
        backend.remove(file)
        assert file.exists()
        other.put(b"new", file.with_name("b.pth"))
        assert file.exists()
    assert sorted(os.listdir(file.parent)) == ["b.pth"]


def test_error_keeps_what_was_to_be_removed(file):
    backend = SafeLocalBackend()
    with pytest.raises(KeyError), backend.removing_later():
        backend.remove(file)
        raise KeyError
    assert file.exists()
    backend.remove(file)
    assert not file.exists()


def test_file_that_is_written_anew_is_not_removed(file):
    with SafeLocalBackend().removing_later():
        SafeLocalBackend().remove(file)
        SafeLocalBackend().put(b"new", file)
    assert file.read_bytes() == b"new"


def test_leftovers_of_a_killed_process_are_removed(file):
    file.with_name(".unfinished-123a.pth").write_bytes(b"ne")
    assert remove_unfinished(file.parent) == 1
    assert os.listdir(file.parent) == ["a.pth"]
