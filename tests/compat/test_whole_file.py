"""Damage of a checkpoint is seen wherever it is."""

import zipfile

import pytest
import torch

from retina_plugin.compat.whole_file import damage


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "a.pth"
    torch.save({"state_dict": {"w": torch.arange(3000.0)}, "meta": {"epoch": 1}}, path)
    return path


def test_whole_files_of_both_layouts_have_none(checkpoint):
    assert damage(checkpoint) is None
    torch.save({"w": torch.ones(3)}, checkpoint, _use_new_zipfile_serialization=False)
    assert damage(checkpoint) is None


@pytest.mark.parametrize("part", [0, 0.1, 0.5, 0.9, 0.99])
def test_truncated_file_is_damaged(checkpoint, part):
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: int(part * len(content))])
    assert damage(checkpoint)


def test_one_bit_among_the_weights_is_damage(checkpoint):
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    checkpoint.write_bytes(content)
    assert "the checksum of its part" in damage(checkpoint)


def test_text_and_folders_are_no_checkpoints(tmp_path):
    (tmp_path / "t.pth").write_text("version https://git-lfs")
    assert "no checkpoint of PyTorch" in damage(tmp_path / "t.pth")
    assert "IsADirectoryError" in damage(tmp_path)


def test_parts_that_are_larger_than_their_file_are_damage(checkpoint):
    """A few kB that unfold to gigabytes."""
    with zipfile.ZipFile(checkpoint, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"0" * 10**6)
    assert "compressed" in damage(checkpoint)
