"""What `minutes` changes in a config, and what it refuses."""

import copy
import math

import pytest

from retina_plugin.errors import UserError
from retina_plugin.recipe.minutes import LOOP, fit_to_minutes
from retina_plugin.recipe.resumable import make_resumable
from retina_plugin.recipe.schedule import describe_schedule


def fitted(cfg, typed=()):
    """The config after `resolve`'s steps that matter here, and the changed keys."""
    make_resumable(cfg)
    return {change.key for change in fit_to_minutes(cfg, typed)}


def test_without_minutes_nothing_changes(load):
    cfg = load("retinanet_custom")
    before = copy.deepcopy(cfg.to_dict())
    assert fit_to_minutes(cfg, ("train_cfg.max_epochs",)) == []
    assert cfg.to_dict() == before


def test_epochs_become_the_length_that_the_schedule_is_written_for(load):
    cfg = load("retinanet_custom", minutes=30)
    schedule = copy.deepcopy(cfg.param_scheduler)
    fitted(cfg)
    assert cfg.train_cfg == {"type": LOOP, "minutes": 30, "max_epochs": 12, "val_interval": 1}
    assert cfg.param_scheduler == schedule
    assert cfg.default_hooks.checkpoint.type == "retina_plugin.ShareCheckpointHook"
    assert cfg.default_hooks.checkpoint.save_best == "coco/bbox_mAP"
    assert cfg.default_hooks.param_scheduler.type == "retina_plugin.ShareSchedulerHook"
    assert cfg.train_dataloader.sampler == {"type": "InfiniteSampler", "shuffle": True}
    assert cfg.log_processor.by_epoch is False


def test_so_do_iterations(load):
    cfg = load("retinanet_r50", minutes=30)
    fitted(cfg)
    assert cfg.train_cfg.type == LOOP
    assert (cfg.train_cfg.max_iters, cfg.train_cfg.val_interval) == (90000, 10000)
    assert "max_epochs" not in cfg.train_cfg


def test_what_changed_is_told(load):
    keys = fitted(load("retinanet_custom", minutes=30))
    assert {"train_cfg.type", "train_dataloader.sampler.type", "log_processor.by_epoch"} <= keys


@pytest.mark.parametrize("by_epoch", [True, False])
def test_mmengines_own_way_to_name_a_loop_is_understood(load, by_epoch):
    cfg = load("retinanet_custom", minutes=30, exact_resume=False)
    length = {"max_epochs": 4} if by_epoch else {"max_iters": 4}
    cfg.train_cfg = {"by_epoch": by_epoch, **length}
    fitted(cfg)
    interval = 1 if by_epoch else 1000
    assert cfg.train_cfg == {"type": LOOP, "minutes": 30, **length, "val_interval": interval}


def test_a_second_call_changes_nothing_but_the_minutes(load):
    cfg = load("retinanet_custom", minutes=30)
    fitted(cfg)
    before = copy.deepcopy(cfg.to_dict())
    assert fitted(cfg) == set()
    assert cfg.to_dict() == before
    cfg.minutes = 45
    fitted(cfg)
    assert cfg.train_cfg.minutes == 45


@pytest.mark.parametrize("bad", [0, -3, math.nan, math.inf, "soon", True, [3]])
def test_what_is_no_number_above_0_is_refused(load, bad):
    with pytest.raises(UserError, match="^minutes expects a number > 0, but got ") as error:
        fit_to_minutes(load("retinanet_custom", minutes=bad))
    assert repr(bad) in str(error.value)


@pytest.mark.parametrize("key", ["train_cfg.max_epochs", "train_cfg.max_iters"])
def test_a_length_on_the_command_line_contradicts_minutes(load, key):
    with pytest.raises(UserError, match=rf"minutes=30 and {key} contradict each other"):
        fit_to_minutes(load("retinanet_custom", minutes=30), ("minutes", key))


def test_other_keys_on_the_command_line_do_not(load):
    cfg = load("retinanet_custom", minutes=30, train_cfg__val_interval=3)
    fit_to_minutes(cfg, ("minutes", "train_cfg.val_interval"))
    assert cfg.train_cfg.val_interval == 3


def test_a_schedule_that_waits_for_a_metric_is_refused(load):
    cfg = load("retinanet_custom", minutes=30)
    cfg.param_scheduler[1] = {"type": "ReduceOnPlateauLR", "monitor": "loss"}
    with pytest.raises(UserError, match="param_scheduler.1: ReduceOnPlateauLR waits for a metric"):
        fit_to_minutes(cfg)


def test_a_schedule_for_each_optimizer_is_refused(load):
    cfg = load("retinanet_custom", minutes=30)
    cfg.param_scheduler = {"first": list(cfg.param_scheduler)}
    with pytest.raises(UserError, match="not one for each optimizer"):
        fit_to_minutes(cfg)


def test_a_loop_of_another_kind_is_refused(load):
    cfg = load("retinanet_custom", minutes=30)
    cfg.train_cfg = {"type": "OtherLoop", "max_epochs": 3}
    with pytest.raises(UserError, match="train_cfg.type: minutes expects EpochBasedTrainLoop or"):
        fit_to_minutes(cfg)


@pytest.mark.parametrize("length", [None, 0, 2.5, "12"])
def test_a_schedule_needs_a_length_that_it_is_written_for(load, length):
    cfg = load("retinanet_custom", minutes=30)
    cfg.train_cfg.max_epochs = length
    with pytest.raises(UserError, match="train_cfg.max_epochs expects a whole number >= 1"):
        fit_to_minutes(cfg)


def test_validation_at_changing_intervals_is_refused(load):
    cfg = load("retinanet_custom", minutes=30)
    cfg.train_cfg.dynamic_intervals = [(8, 1)]
    with pytest.raises(UserError, match="train_cfg.dynamic_intervals"):
        fit_to_minutes(cfg)


def test_a_saved_config_has_no_way_back_to_epochs(load):
    cfg = load("retinanet_custom", minutes=30)
    fitted(cfg)
    cfg.minutes = None
    with pytest.raises(UserError, match="use the config that it was started with"):
        fit_to_minutes(cfg)


def test_samplers_and_hooks_of_the_users_own_stay(load):
    cfg = load("retinanet_custom", minutes=30)
    cfg.train_dataloader.sampler = {"type": "ClassAwareSampler", "seed": 3}
    cfg.default_hooks.checkpoint = None
    cfg.default_hooks.param_scheduler = None
    fitted(cfg)
    assert cfg.train_dataloader.sampler == {"type": "ClassAwareSampler", "seed": 3}
    assert cfg.default_hooks.checkpoint is None
    assert cfg.default_hooks.param_scheduler is None


def test_a_sampler_keeps_its_seed(load):
    cfg = load("retinanet_custom", minutes=30)
    cfg.train_dataloader.sampler.update(seed=7, shuffle=False, round_up=True)
    fitted(cfg)
    sampler = {"type": "InfiniteSampler", "seed": 7, "shuffle": False}
    assert cfg.train_dataloader.sampler == sampler


def test_what_is_only_tested_has_no_minutes(load):
    cfg = load("retinanet_custom", minutes=30)
    cfg.train_dataloader = cfg.train_cfg = None
    assert fit_to_minutes(cfg) == []


def test_the_warm_up_is_told_with_its_bound(load):
    cfg = load("retinanet_r50", minutes=30)
    (told,) = (each.value for each in describe_schedule(cfg, 1) if each.key == "warm-up")
    assert told == "LinearLR over 500 iterations, at most a sixth of the training"
