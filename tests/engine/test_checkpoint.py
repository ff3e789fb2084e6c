"""At any instant a good checkpoint is on the disk, and `last_checkpoint` names one."""

import os
from pathlib import Path

import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.runner import save_checkpoint

from retina_plugin.engine.checkpoint import CheckpointHook, point_to
from retina_plugin.engine.resume import find_latest_checkpoint


class FakeRunner:
    """As much of a runner as the hook knows."""

    def __init__(self, work_dir):
        self.work_dir = str(work_dir)
        self.epoch = self.iter = 0
        self.model = torch.nn.Linear(1, 1)
        self.logger = MMLogger.get_current_instance()
        self.message_hub = MessageHub(str(work_dir))

    def call_hook(self, name):
        pass

    def save_checkpoint(self, out_dir, filename, *_, backend_args=None, **__):
        content = {"w": torch.full((9,), float(self.epoch))}
        save_checkpoint(content, os.path.join(out_dir, filename), backend_args=backend_args)


@pytest.fixture
def runner(tmp_path):
    return FakeRunner(tmp_path / "work")


def trained(runner, hook, epochs):
    """Epochs with a validation that is better each time."""
    hook.before_train(runner)
    for epoch in range(epochs):
        runner.epoch = epoch
        hook._save_checkpoint(runner)
        runner.epoch = epoch + 1
        if hook.save_best:
            hook.after_val_epoch(runner, {"coco/bbox_mAP": float(epoch)})


def names(runner):
    return sorted(path.name for path in Path(runner.work_dir).iterdir())


@pytest.mark.parametrize("keep", [-1, 1, 2])
def test_checkpoints_and_the_best_are_kept_as_by_mmengine(runner, keep):
    hook = CheckpointHook(max_keep_ckpts=keep, save_best="coco/bbox_mAP", rule="greater")
    trained(runner, hook, 3)
    kept = [f"epoch_{n}.pth" for n in (1, 2, 3)][-keep if keep > 0 else 0 :]
    assert names(runner) == ["best_coco_bbox_mAP_epoch_3.pth", *kept, "last_checkpoint"]
    assert Path(runner.work_dir, "last_checkpoint").read_text() == "epoch_3.pth"


def test_a_good_checkpoint_is_there_at_every_step(runner, monkeypatch):
    """Looked at before and after everything that changes the folder."""
    seen = []

    def watch(owner, name):
        original = getattr(owner, name)

        def watched(*arguments, **options):
            look()
            result = original(*arguments, **options)
            look()
            return result

        monkeypatch.setattr(owner, name, watched)

    def look():
        if "epoch_1.pth" in names(runner) or seen:
            seen.append(find_latest_checkpoint(runner.work_dir))
            best = [n for n in names(runner) if n.startswith("best")]
            assert best or len(seen) < 20

    Path(runner.work_dir).mkdir()
    for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink"), (os, "remove")):
        watch(owner, name)
    hook = CheckpointHook(max_keep_ckpts=1, save_best="coco/bbox_mAP", rule="greater")
    trained(runner, hook, 3)
    assert len(seen) > 20
    assert None not in seen


def test_full_disk_keeps_the_checkpoint_before(runner, monkeypatch):
    hook = CheckpointHook(max_keep_ckpts=1)
    trained(runner, hook, 1)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    runner.epoch = 1
    with pytest.raises(ValueError, match="epoch_2.pth cannot be written"):
        hook._save_checkpoint(runner)
    monkeypatch.undo()
    assert names(runner) == ["epoch_1.pth", "last_checkpoint"]
    assert find_latest_checkpoint(runner.work_dir).endswith("epoch_1.pth")


def test_leftovers_of_a_kill_are_gone_after_the_next_start(runner):
    Path(runner.work_dir).mkdir()
    Path(runner.work_dir, ".unfinished-1epoch_1.pth").write_bytes(b"half")
    trained(runner, CheckpointHook(), 1)
    assert names(runner) == ["epoch_1.pth", "last_checkpoint"]


def test_pointer_to_another_folder_is_whole(tmp_path):
    for target, text in ((tmp_path / "a.pth", "a.pth"), ("s3://b/a.pth", "s3://b/a.pth")):
        point_to(tmp_path, str(target))
        assert (tmp_path / "last_checkpoint").read_text() == text
    point_to(tmp_path, "/elsewhere/a.pth")
    assert (tmp_path / "last_checkpoint").read_text() == "/elsewhere/a.pth"


def test_pointer_to_a_relative_folder_holds_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    point_to(tmp_path / "work", "checkpoints/work/a.pth")
    pointer = tmp_path / "work" / "last_checkpoint"
    assert pointer.read_text() == f"{tmp_path.resolve()}/checkpoints/work/a.pth"


def test_other_storages_keep_their_backend(runner):
    hook = CheckpointHook(backend_args={"backend": "local"})
    hook.before_train(runner)
    assert hook.backend_args == {"backend": "local"}
