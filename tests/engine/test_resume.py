"""A run goes on from the last whole checkpoint, and says so where that is not the last."""

import os
import shutil

import pytest
import torch
from mmengine.runner import runner as mmengine_runner

from retina_plugin.engine.resume import find_latest_checkpoint


@pytest.fixture
def work_dir(tmp_path):
    """Three epochs, saved in this order."""
    for epoch in (1, 2, 3):
        path = tmp_path / f"epoch_{epoch}.pth"
        torch.save({"w": torch.ones(9)}, path)
        os.utime(path, (epoch, epoch))
    torch.save({}, tmp_path / "best_coco_bbox_mAP_epoch_3.pth")
    (tmp_path / "last_checkpoint").write_text("epoch_3.pth")
    return tmp_path


def test_last_checkpoint_is_taken(work_dir):
    assert find_latest_checkpoint(str(work_dir)) == str(work_dir / "epoch_3.pth")
    assert mmengine_runner.find_latest_checkpoint is find_latest_checkpoint


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"some text"])
def test_broken_ones_are_passed_over_and_named(work_dir, logged, content):
    (work_dir / "epoch_3.pth").write_bytes(content)
    assert find_latest_checkpoint(str(work_dir)) == str(work_dir / "epoch_2.pth")
    assert "epoch_3.pth is broken" in logged.text


def test_a_link_to_nowhere_is_a_broken_one(work_dir, logged):
    (work_dir / "epoch_4.pth").symlink_to("gone.pth")
    (work_dir / "last_checkpoint").unlink()
    assert find_latest_checkpoint(str(work_dir)) == str(work_dir / "epoch_3.pth")
    assert "epoch_4.pth is broken" in logged.text


@pytest.mark.parametrize("pointer", ["", "/gone/epoch_9.pth", "epoch_9.pth", "\0\xff"])
def test_useless_pointer_does_not_matter(work_dir, pointer):
    (work_dir / "last_checkpoint").write_text(pointer, encoding="latin-1")
    assert find_latest_checkpoint(str(work_dir)) == str(work_dir / "epoch_3.pth")


def test_folder_can_move(work_dir, tmp_path_factory):
    """MMEngine's pointers hold the whole path."""
    (work_dir / "last_checkpoint").write_text(str(work_dir / "epoch_2.pth"))
    moved = tmp_path_factory.mktemp("moved") / "work"
    shutil.move(work_dir, moved)
    assert find_latest_checkpoint(str(moved)) == str(moved / "epoch_2.pth")


def test_nothing_to_go_on_from_is_none(tmp_path, work_dir):
    assert find_latest_checkpoint(str(tmp_path / "new")) is None


def test_all_broken_is_an_error(work_dir):
    for epoch in (1, 2, 3):
        (work_dir / f"epoch_{epoch}.pth").write_bytes(b"")
    with pytest.raises(ValueError, match="all 3 checkpoints in .* are broken"):
        find_latest_checkpoint(str(work_dir))


def test_checkpoints_in_a_folder_of_their_own_are_found(work_dir, tmp_path_factory, logged):
    """As with the hook's out_dir; a broken one gives way to those beside it."""
    elsewhere = tmp_path_factory.mktemp("run")
    (elsewhere / "last_checkpoint").write_text(str(work_dir / "epoch_3.pth"))
    assert find_latest_checkpoint(str(elsewhere)) == str(work_dir / "epoch_3.pth")
    (work_dir / "epoch_3.pth").write_bytes(b"")
    assert find_latest_checkpoint(str(elsewhere)) == str(work_dir / "epoch_2.pth")
    assert "epoch_3.pth is broken" in logged.text


def test_a_name_that_begins_where_the_run_was_started_is_understood(work_dir, monkeypatch):
    monkeypatch.chdir(work_dir.parent)
    elsewhere = work_dir / "run"
    elsewhere.mkdir()
    (elsewhere / "last_checkpoint").write_text(f"{work_dir.name}/epoch_2.pth")
    assert find_latest_checkpoint(str(elsewhere)) == f"{work_dir.name}/epoch_2.pth"


def test_an_address_is_gone_on_from_as_it_is(tmp_path):
    (tmp_path / "last_checkpoint").write_text("s3://bucket/epoch_2.pth")
    assert find_latest_checkpoint(str(tmp_path)) == "s3://bucket/epoch_2.pth"
