import pytest
import torch

from retina_plugin.demo import run, run_demo
from retina_plugin.engine.checkpoint import point_to

SHORT = [
    *(f"{split}_dataloader.dataset.indices=4" for split in ("train", "val", "test")),
    *(f"{split}_dataloader.batch_size=2" for split in ("train", "val", "test")),
    *("train_cfg.max_epochs=1", "train_cfg.val_interval=1"),
    *("default_hooks.checkpoint.interval=1", "default_hooks.logger.interval=1"),
]


@pytest.mark.slow
def test_the_demo_runs_from_the_scenes_to_the_pictures(tmp_path):
    metrics = run_demo(tmp_path, SHORT)
    assert "coco/bbox_mAP_50" in metrics
    assert (tmp_path / "detections.png").stat().st_size > 0


def test_demo_trains_on_its_scenes_and_tests_the_last_checkpoint(tmp_path, monkeypatch):
    """With the commands recorded instead of run."""
    commands = []

    def record(console, title, command, log):
        commands.append(command[1:])
        (tmp_path / "train").mkdir(exist_ok=True)
        torch.save({}, tmp_path / "train/epoch_3.pth")
        point_to(tmp_path / "train", str(tmp_path / "train/epoch_3.pth"))

    made = []
    monkeypatch.setattr(run, "make_scenes", made.append)
    monkeypatch.setattr(run, "follow", record)
    monkeypatch.setattr(run, "show_results", lambda console, work_dir, sheet: (work_dir, sheet))
    shown = run_demo(tmp_path, ["train_cfg.max_epochs=1"])

    options = ["--cfg-options", f"data_root={tmp_path}/data/", "train_cfg.max_epochs=1"]
    mim = ["-m", "mim"]
    train, test = commands
    assert made == [tmp_path / "data"]
    assert train == [*mim, "train", "retina_plugin", "retinanet_demo.py"] + [
        "--work-dir",
        f"{tmp_path}/train",
        *options,
    ]
    assert test[:5] == [*mim, "test", "retina_plugin", "retinanet_demo.py"]
    assert test[test.index("--checkpoint") + 1] == f"{tmp_path}/train/epoch_3.pth"
    assert test[test.index("--work-dir") + 1] == f"{tmp_path}/test"
    assert "--show-dir" in test
    assert test[-3:] == options
    assert shown == (tmp_path / "test", tmp_path / "detections.png")
