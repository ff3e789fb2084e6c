"""Our parts in a user's config of MMDetection's, under MMDetection's own tools."""

import itertools
import json
import os
import runpy
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch
from mmengine.config import config as mmengine_config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import runner as mmengine_runner
from mmengine.utils.dl_utils import collect_env

from retina_plugin.engine.mmdet_tools import find_tool
from retina_plugin.errors import Stopped, UserError
from retina_plugin.faults.tiny_training import TINY_DETECTOR, WITHOUT_WORKERS

CONFIGS = Path(__file__).parents[1] / "configs"
TINY = {
    **TINY_DETECTOR,
    **WITHOUT_WORKERS,
    "model.backbone.depth": 18,
    "model.backbone.init_cfg": None,
    "train_cfg.max_epochs": 1,
}
TOOL = Path(__file__).parents[1] / "tools" / "mmdet_tool.py"
NUMBER = itertools.count()
# A user's own config: MMDetection's RetinaNet on a folder, and one line for our package.
STOCK = """
_base_ = "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py"
custom_imports = dict(imports=["retina_plugin"])
data = dict(
    data_root={root!r}, data_prefix=dict(img="images/"), metainfo=dict(classes=("dark", "light"))
)
load = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations", with_bbox=True)]
resize = [dict(type="Resize", scale=(64, 64), keep_ratio=True)]
keys = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        ann_file="annotations/train.json",
        filter_cfg=dict(min_size=1),
        pipeline=[*load, *resize, dict(type="RandomFlip", prob=0.5), dict(type="PackDetInputs")],
        **data
    ),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        ann_file="annotations/val.json",
        pipeline=[*load, *resize, dict(type="PackDetInputs", meta_keys=keys)],
        **data
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file={root!r} + "/annotations/val.json")
test_evaluator = val_evaluator
model = dict(
    backbone=dict(depth=18, base_channels=8, init_cfg=None),
    neck=dict(in_channels=[8, 16, 32, 64], out_channels=16),
    bbox_head=dict(num_classes=2, in_channels=16, feat_channels=16, stacked_convs=1),
    test_cfg=dict(score_thr=0.001),
)
train_cfg = dict(max_epochs=1)
default_hooks = dict(logger=dict(interval=1))
randomness = dict(seed=0)
log_level = "ERROR"
visualizer = dict(vis_backends=[dict(type="LocalVisBackend")], name={name!r})
experiment_name = {name!r}
"""
ALONE = {
    "FocalLoss": {"model.bbox_head.loss_cls.type": "retina_plugin.FocalLoss"},
    "RetinaFPN": {"model.neck.type": "retina_plugin.RetinaFPN"},
    "AnchorAssigner": {"model.train_cfg.assigner.type": "retina_plugin.AnchorAssigner"},
    "RetinaHead": {"model.bbox_head.type": "retina_plugin.RetinaHead"},
    "RetinaNet": {"model.type": "retina_plugin.RetinaNet"},
    "CocoMetric": {"val_evaluator.type": "retina_plugin.CocoMetric"},
    "CocoDataset": {
        "train_dataloader.dataset.type": "retina_plugin.CocoDataset",
        "val_dataloader.dataset.type": "retina_plugin.CocoDataset",
    },
    "OptimWrapper": {"optim_wrapper.type": "retina_plugin.MixedPrecisionOptimWrapper"},
}
RUNNER = {"runner_type": "retina_plugin.Runner"}
# What docs/beside_mmdetection.md lists for exact resume, one by one.
PARTS = {
    "default_hooks.checkpoint.type": "retina_plugin.CheckpointHook",
    "train_cfg.type": "retina_plugin.EpochBasedTrainLoop",
}
HOOKS_ALONE = 'dict(type="retina_plugin.StopHook"), dict(type="retina_plugin.SeedHook"),'


@HOOKS.register_module()
class SignalBesideHook(Hook):
    """Sends this process SIGTERM in an iteration."""

    def __init__(self, iteration):
        self.iteration = iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == self.iteration:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def write(coco_folder, tmp_path):
    """Write the user's config, with more lines at its end."""

    def make(*lines):
        path = tmp_path / "mine.py"
        text = STOCK.format(root=str(coco_folder), name=f"beside{next(NUMBER)}")
        path.write_text("\n".join([text, *lines]))
        return path

    return make


@pytest.fixture
def call(monkeypatch, tmp_path):
    """Run a tool of MMDetection in this process, in a folder of its own."""
    monkeypatch.setattr(mmengine_runner, "collect_env", cache(collect_env))
    # Its formatting of a config takes longer than the training.
    monkeypatch.setattr(mmengine_config, "FormatCode", lambda text, **_: (text, True))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCAL_RANK", "0")

    def run(tool, *words, **options):
        pairs = [f"{key}={value}".replace(" ", "") for key, value in options.items()]
        words = [*map(str, words), *(["--cfg-options", *pairs] if pairs else [])]
        monkeypatch.setattr(sys, "argv", [tool, *words])
        runpy.run_path(str(find_tool(tool)), run_name="__main__")

    return run


def scalars(work_dir):
    (path,) = work_dir.glob("*/vis_data/scalars.json")
    return [json.loads(line) for line in path.read_text().splitlines()]


def weights(path):
    return torch.load(path, weights_only=False)["state_dict"]


@pytest.mark.parametrize("name", ALONE)
def test_each_module_alone_trains_and_validates(name, write, call, tmp_path):
    call("train", write(), **ALONE[name])
    lines = scalars(tmp_path / "work_dirs" / "mine")
    assert sum("loss_cls" in line for line in lines) == 2
    assert sum("coco/bbox_mAP" in line for line in lines) == 1


def test_weights_of_all_modules_together_are_tested_by_mmdetections_tool(write, call, tmp_path):
    options = {key: value for one in ALONE.values() for key, value in one.items()}
    options |= {key.replace("val_", "test_"): each for key, each in options.items()}
    call("train", write(), **options)
    checkpoint = tmp_path / "work_dirs" / "mine" / "epoch_1.pth"
    call("test", write(), checkpoint, "--work-dir", tmp_path / "tested", **options)
    trained = scalars(tmp_path / "work_dirs" / "mine")[-1]
    (tested,) = (tmp_path / "tested").glob("*/*.json")
    assert json.loads(tested.read_text())["coco/bbox_mAP"] == trained["coco/bbox_mAP"]


def test_a_loss_that_is_not_finite_ends_in_our_diagnosis(write, call, tmp_path):
    """By the one line alone, in a config whose model is MMDetection's."""
    said = r"iteration 2 was not finite, probably because the learning rate .*: lower optim_wrapper"
    with pytest.raises(UserError, match=said):
        call("train", write(), **RUNNER, **{"optim_wrapper.optimizer.lr": 1e30})
    assert list((tmp_path / "work_dirs" / "mine").rglob("report.json"))


@pytest.mark.parametrize("by", ["the runner", "single parts"])
def test_a_run_that_a_signal_ended_goes_on_to_the_same_weights(by, write, call, tmp_path, capsys):
    options = {"train_cfg.max_epochs": 2, **(RUNNER if by == "the runner" else PARTS)}
    hooks = HOOKS_ALONE if by == "single parts" else ""
    call("train", write(f"custom_hooks = [{hooks}]"), "--work-dir", tmp_path / "whole", **options)
    cut = tmp_path / "cut"
    signals = f'custom_hooks = [{hooks} dict(type="SignalBesideHook", iteration=3)]'
    with pytest.raises((SystemExit, Stopped)) as ended:
        call("train", write(signals), "--work-dir", cut, **options)
    said = capsys.readouterr().err if by == "the runner" else str(ended.value)
    assert "stopped by SIGTERM after iteration 3, saved in" in said
    if by == "the runner":
        assert ended.value.code == 128 + signal.SIGTERM
    assert (cut / "last_checkpoint").read_text() == "iter_3.pth"
    resumed = write(f"custom_hooks = [{hooks}]")
    call("train", resumed, "--work-dir", cut, "--resume", **options)
    expected, got = (weights(folder / "epoch_2.pth") for folder in (tmp_path / "whole", cut))
    assert all(torch.equal(got[name], value) for name, value in expected.items())


def test_a_mistake_is_one_of_our_sentences_before_anything_is_trained(write, call, tmp_path):
    with pytest.raises(UserError, match=r"train_dataloader\.dataset\.ann_file: .*gone\.json"):
        call("train", write(), **RUNNER, **{"train_dataloader.dataset.ann_file": "gone.json"})
    assert not list(tmp_path.rglob("*.pth"))


def test_a_config_of_ours_is_completed_under_mmdetections_tool(coco_folder, call, tmp_path):
    name = f"beside{next(NUMBER)}"
    names = {"visualizer.name": name, "experiment_name": name, "log_level": "ERROR"}
    data = {"data_root": f"{coco_folder}/", **names}
    call("train", CONFIGS / "retinanet_custom.py", **data, **TINY)
    assert (tmp_path / "work_dirs" / "retinanet_custom" / "epoch_1.pth").is_file()


def test_one_hook_alone_guards_what_mmdetections_parts_train(write, call, tmp_path):
    hook = 'custom_hooks = [dict(type="retina_plugin.GuardHook")]'
    with pytest.raises(UserError, match="was not finite"):
        call("train", write(hook), **{"optim_wrapper.optimizer.lr": 1e30})


def shell(*words, cwd):
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        list(map(str, words)), cwd=cwd, env=environment, capture_output=True, text=True
    )


@pytest.mark.slow
def test_mim_trains_it_by_mmdetections_tool_and_ours_starts_those_that_lack_operators(
    write, tmp_path
):
    """MMDetection's train.py reads the config before it imports an operator, test.py after."""
    mim = Path(sys.executable).with_name("mim")
    trained = shell(mim, "train", "mmdet", write(), "--work-dir", tmp_path / "work", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert str(find_tool("train")) in trained.stdout
    checkpoint = tmp_path / "work" / "epoch_1.pth"
    tested = shell(
        *(sys.executable, TOOL, "test", "mine.py", checkpoint, "--work-dir", "tested"), cwd=tmp_path
    )
    assert tested.returncode == 0, tested.stderr
    assert list((tmp_path / "tested").glob("*/*.json"))
    wrong = shell(sys.executable, TOOL, "tests", "mine.py", cwd=tmp_path)
    assert wrong.stderr == "error: MMDetection has no tool tests, did you mean test?\n"
    assert wrong.returncode == 1
