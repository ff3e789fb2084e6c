"""Trainings of so many minutes, with a stand-in for the training script."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from retina_plugin.analysis.comparison.budget import precision_of, trained, with_schedule
from retina_plugin.errors import UserError
from retina_plugin.precision import chosen_dtype

# An iteration takes half a second, each of a trial's first four ten; a model `bad` diverges.
SCRIPT = """
import json, pathlib, sys
from mmengine.config import Config
cfg, work_dir = Config.fromfile(sys.argv[1]), pathlib.Path(sys.argv[3])
with open("calls.txt", "a") as calls:
    print(pathlib.Path(sys.argv[1]).stem, cfg.train_cfg.max_iters, file=calls)
if cfg.model.type == "hopeless" or cfg.model.type == "bad" and cfg.train_cfg.max_iters > 16:
    sys.exit(print("error: iteration 9 was not finite", flush=True) or 1)
folder = work_dir / "20260101_000000" / "vis_data"
folder.mkdir(parents=True)
every = cfg.default_hooks.logger.interval
lines = [
    {"loss": 1.0, "step": step, "time": 10.0 if step <= 4 else 0.5}
    for step in range(every, cfg.train_cfg.max_iters + 1, every)
]
lines += [{"coco/bbox_mAP": 0.25}] if cfg.get("val_cfg") else []
(folder / "scalars.json").write_text("\\n".join(map(json.dumps, lines)))
(work_dir / f"iter_{cfg.train_cfg.max_iters}.pth").touch()
"""


@pytest.fixture
def train(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)

    def start(kind="good", minutes=1.0, data="set 123"):
        cfg = config(kind)
        return trained(kind, cfg, minutes, data, tmp_path / "out", tmp_path / "train.py")

    return start


def config(kind="good"):
    return Config(
        {
            "model": {"type": kind},
            "train_dataloader": {"batch_size": 4, "dataset": {"type": "CocoDataset"}},
            "val_cfg": {"type": "ValLoop"},
            "val_dataloader": {},
            "default_hooks": {},
            "optim_wrapper": {"type": "OptimWrapper"},
        }
    )


def calls(tmp_path):
    return (tmp_path / "calls.txt").read_text().splitlines()


def test_as_many_iterations_as_fit_are_trained(train, tmp_path):
    found = train(minutes=1.0)
    assert calls(tmp_path) == ["good_trial 16", "good 120"]  # slow first ones do not count
    assert (found.iterations, found.images, found.precision) == (120, 4, "float32")
    assert found.seconds == 60  # of all, though the log ends after 100
    assert found.metrics == {"AP": 0.25}
    assert found.checkpoint.endswith("good/iter_120.pth")


def test_a_short_training_has_a_log_too(train):
    assert train(minutes=0.1).seconds == pytest.approx(6, rel=0.5)


def test_what_is_done_is_not_done_again(train, tmp_path):
    assert train() == train()
    assert len(calls(tmp_path)) == 2


def test_a_training_that_diverges_is_a_result(train):
    found = train("bad")
    assert found.ended == "iteration 9 was not finite"
    assert (found.metrics, found.checkpoint) == ({}, "")


@pytest.mark.parametrize("other", [{"minutes": 2.0}, {"data": "set 456"}])
def test_trainings_of_another_length_or_data_are_not_compared(train, other):
    train()
    with pytest.raises(UserError, match=r"is of 1 minutes on set 123, not of .* use another --out"):
        train(**other)


def test_weights_that_are_gone_are_said(train, tmp_path):
    Path(train().checkpoint).unlink()
    with pytest.raises(UserError, match=r"iter_120.pth are gone; remove good.json to train again"):
        train()


def test_another_model_of_the_same_name_is_not_compared(train, tmp_path):
    train()
    cfg = config()
    cfg.model.depth = 18
    with pytest.raises(
        UserError, match="is of another model, optimizer, dataset, pipeline, hook or evaluator"
    ):
        trained("good", cfg, 1.0, "set 123", tmp_path / "out", tmp_path / "train.py")


def test_a_trial_that_diverges_is_a_result_too(train):
    found = train("hopeless")
    assert (found.iterations, found.seconds) == (0, 0)
    assert found.ended == "iteration 9 was not finite"


def test_the_trial_stays_at_the_low_rate_of_the_beginning(train, tmp_path):
    train()
    (warm,) = Config.fromfile(tmp_path / "out" / "configs" / "good_trial.py").param_scheduler
    assert warm.end == 500


def test_a_spoilt_file_is_named(train, tmp_path):
    train()
    (tmp_path / "out" / "good.json").write_text("{}")
    with pytest.raises(UserError, match=r"good.json holds no figures of a training"):
        train()


def test_the_schedule_warms_up_and_falls_twice_and_saves_its_end():
    cfg = with_schedule(config(), 900)
    assert cfg.train_cfg == {"type": "IterBasedTrainLoop", "max_iters": 900, "val_interval": 900}
    warm, falls = cfg.param_scheduler
    assert (warm["end"], falls["milestones"]) == (150, [600, 800])
    assert cfg.default_hooks.checkpoint.interval == 900
    assert with_schedule(config(), 90000).param_scheduler[0]["end"] == 500


def test_the_precision_is_that_of_the_forward_pass():
    cfg = config()
    assert precision_of(cfg) == "float32"
    cfg.fast = True
    cfg.optim_wrapper.dtype = "bfloat16"
    assert precision_of(cfg) == "bfloat16"
    cfg.optim_wrapper.dtype = None
    assert precision_of(cfg) == chosen_dtype("auto", "cuda" if torch.cuda.is_available() else "cpu")
    cfg.optim_wrapper = {"type": "mmengine.AmpOptimWrapper"}
    assert precision_of(cfg) == "float16"


@pytest.mark.parametrize(
    "other",
    [
        {"randomness.seed": 5},
        {"val_dataloader": {"dataset": {"type": "CocoDataset", "pipeline": [{"type": "Resize"}]}}},
        {"train_dataloader.dataset.indices": 100},
        {"train_dataloader.dataset.ann_file": "annotations/other.json"},
        {"load_from": "detector.pth"},
        {"custom_hooks": [{"type": "EMAHook"}]},
        {"default_hooks.guard": {"type": "GuardHook", "policy": "skip"}},
        {"train_dataloader.batch_sampler": {"type": "AspectRatioBatchSampler"}},
        {"val_evaluator": {"type": "CocoMetric", "proposal_nums": [1, 10, 30]}},
    ],
)
def test_another_seed_evaluation_or_choice_of_images_is_another_training(train, tmp_path, other):
    train()
    cfg = config()
    cfg.merge_from_dict(other)
    message = "is of another model, optimizer, dataset, pipeline, hook or evaluator"
    with pytest.raises(UserError, match=message):
        trained("good", cfg, 1.0, "set 123", tmp_path / "out", tmp_path / "train.py")


def test_the_same_folder_by_another_name_is_the_same(train, tmp_path):
    found = train()
    cfg = config()
    cfg.train_dataloader.dataset.data_root = "elsewhere/"
    assert trained("good", cfg, 1.0, "set 123", tmp_path / "out", tmp_path / "train.py") == found


def test_the_file_of_another_model_is_not_taken(train, tmp_path):
    train()
    file = tmp_path / "out" / "good.json"
    file.write_text(file.read_text().replace('"name": "good"', '"name": "other"'))
    with pytest.raises(UserError, match="good.json is of other, not of good"):
        train()
