import math

import pytest

from retina_plugin.recipe.schedule import (
    Batch,
    describe_schedule,
    rate_factor,
    real_batch,
    scale_schedule,
)


def described(cfg, world_size=1):
    return {change.key: change.value for change in describe_schedule(cfg, world_size)}


def test_a_batch_counts_forward_passes_and_accumulation_apart():
    batch = Batch(per_process=2, processes=3, accumulated=4)
    assert (batch.forward, batch.step) == (6, 24)


def test_the_batch_is_read_from_the_config(load):
    cfg = load("retinanet_r50", optim_wrapper__accumulative_counts=4)
    assert real_batch(cfg, world_size=3) == Batch(2, 3, 4)


def test_the_schedules_own_batch_changes_nothing(load):
    cfg = load("retinanet_r50")
    assert scale_schedule(cfg, world_size=8) == []
    assert cfg.optim_wrapper.optimizer.lr == 0.01


def test_twice_the_batch_takes_half_the_iterations_at_twice_the_rate(load):
    cfg = load("retinanet_r50")
    scale_schedule(cfg, world_size=16)
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(0.02)
    assert cfg.train_cfg.max_iters == 45000
    assert cfg.train_cfg.val_interval == 5000
    assert cfg.param_scheduler[0].end == 250
    assert cfg.param_scheduler[1].end == 45000
    assert cfg.param_scheduler[1].milestones == [30000, 40000]
    assert cfg.default_hooks.checkpoint.interval == 5000


def test_accumulation_that_fills_the_batch_keeps_the_rate_and_counts_forward_passes(load):
    cfg = load("retinanet_r50", optim_wrapper__accumulative_counts=8)
    scale_schedule(cfg, world_size=1)
    assert cfg.optim_wrapper.optimizer.lr == 0.01
    assert cfg.train_cfg.max_iters == 90000 * 8


def test_epochs_stay(load):
    cfg = load("presets/mmdet", auto_scale_lr__enable=True)
    scale_schedule(cfg, world_size=1)
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(0.01 / 8)
    assert cfg.train_cfg.max_epochs == 12
    assert cfg.param_scheduler[1].milestones == [8, 11]
    assert cfg.default_hooks.checkpoint.interval == 1
    assert cfg.param_scheduler[0].end == 500 * 8


def test_an_adaptive_optimizer_scales_with_the_square_root(load):
    cfg = load("retinanet_r50", optim_wrapper__optimizer={"type": "AdamW", "lr": 0.001})
    (rate, *_) = scale_schedule(cfg, world_size=1)
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(0.001 * math.sqrt(2 / 16))
    assert "square root, for AdamW" in rate.reason


def test_rates_of_a_scheduler_follow_the_optimizers(load):
    cosine = {"type": "CosineAnnealingLR", "eta_min": 0.001, "T_max": 90000, "by_epoch": False}
    cfg = load("retinanet_r50")
    cfg.param_scheduler = cosine
    scale_schedule(cfg, world_size=16)
    assert cfg.param_scheduler.eta_min == pytest.approx(0.002)
    assert cfg.param_scheduler.T_max == 45000


def test_an_open_end_stays_open(load):
    constant = {"type": "ConstantLR", "by_epoch": False, "end": math.inf}
    cfg = load("retinanet_r50")
    cfg.param_scheduler = constant
    scale_schedule(cfg, world_size=16)
    assert cfg.param_scheduler.end == math.inf


def test_every_length_of_schedulers_and_loop_follows_and_a_momentum_is_no_rate(load):
    restarts = {"type": "CosineRestartLR", "periods": [30000, 60000], "by_epoch": False}
    momentum = {"type": "CosineAnnealingMomentum", "eta_min": 0.85, "by_epoch": False}
    cfg = load("retinanet_r50", train_cfg__val_begin=60000)
    cfg.train_cfg.dynamic_intervals = [(80000, 500)]
    cfg.param_scheduler = [restarts, momentum]
    scale_schedule(cfg, world_size=16)
    assert cfg.param_scheduler[0].periods == [15000, 30000]
    assert cfg.param_scheduler[1].eta_min == 0.85
    assert cfg.train_cfg.val_begin == 30000
    assert cfg.train_cfg.dynamic_intervals == [[40000, 250]]


def test_a_hook_that_is_turned_off_and_a_rate_that_is_not_given_are_no_obstacle(load):
    cfg = load("retinanet_r50", default_hooks__checkpoint=None)
    cfg.optim_wrapper.optimizer = {"type": "AdamW"}
    scale_schedule(cfg, world_size=1)
    assert described(cfg)["learning rate"] == "the optimizer's own, not scaled"
    cfg = load("retinanet_r50", default_hooks=None)
    assert scale_schedule(cfg, world_size=1)


def test_scaling_can_be_turned_off_and_then_the_batch_is_warned_of(load):
    cfg = load("retinanet_r50", auto_scale_lr__enable=False)
    assert scale_schedule(cfg, world_size=1) == []
    assert "WARNING: written for 16" in described(cfg)["images a step"]


def test_typed_keys_are_left_alone(load):
    cfg = load("retinanet_r50", train_cfg__max_iters=20)
    changes = scale_schedule(cfg, world_size=1, typed={"train_cfg.max_iters"})
    assert cfg.train_cfg.max_iters == 20
    assert "train_cfg.max_iters" not in {change.key for change in changes}
    assert cfg.train_cfg.val_interval == 80000


def test_what_lies_inside_a_typed_key_is_left_alone(load):
    cfg = load("retinanet_r50")
    cfg.param_scheduler = [{"type": "MultiStepLR", "by_epoch": False, "milestones": [700, 900]}]
    typed = {"param_scheduler", "train_cfg.max"}  # the last is another key than max_iters
    scale_schedule(cfg, world_size=1, typed=typed)
    assert cfg.param_scheduler[0].milestones == [700, 900]
    assert cfg.train_cfg.max_iters == 90000 * 8


@pytest.mark.parametrize("name", ["SGD", "mmengine.SGD", "torch.optim.SGD"])
def test_the_rate_of_sgd_scales_linearly_in_any_scope(name):
    assert rate_factor(name, 4) == 4
    assert rate_factor("mmengine.AdamW", 4) == 2


def test_a_config_without_training_has_no_schedule(load):
    cfg = load("retinanet_r50", train_dataloader=None)
    assert scale_schedule(cfg, 1) == describe_schedule(cfg, 1) == []


def test_batch_rate_and_warm_up_are_described(load):
    assert described(load("retinanet_r50"), world_size=8) == {
        "images a step": "16 (2 x 8 processes x 1 accumulated)",
        "learning rate": 0.01,
        "warm-up": "LinearLR over 500 iterations",
    }


def test_a_schedule_without_warm_up_says_so(load):
    assert described(load("retinanet_r50", param_scheduler=None))["warm-up"].startswith("none")
