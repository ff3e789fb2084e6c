"""One key puts the fast parts in, or takes the plain forms."""

import pytest
from mmengine.device import get_device

from retina_plugin.compat.torch_features import can_fuse
from retina_plugin.recipe import resolve
from retina_plugin.recipe.speed import choose_speed


@pytest.mark.parametrize("name", ["retinanet_r50", "retinanet_x101", "retinanet_demo"])
def test_configs_are_fast(load, name):
    cfg = load(name)
    choose_speed(cfg)
    assert cfg.model.type == "retina_plugin.RetinaNet"
    assert cfg.optim_wrapper.type == "retina_plugin.MixedPrecisionOptimWrapper"
    assert cfg.optim_wrapper.optimizer.get("fused", False) is can_fuse("SGD", get_device())
    assert cfg.val_evaluator.type == cfg.test_evaluator.type == "retina_plugin.CocoMetric"
    assert "form" not in cfg.model.bbox_head


def test_every_change_is_told(load):
    changes = {change.key: change.value for change in choose_speed(load("retinanet_r50"))}
    assert changes["model.type"] == "retina_plugin.RetinaNet"
    assert changes.get("optim_wrapper.optimizer.fused", False) is can_fuse("SGD", get_device())


@pytest.fixture
def without_fused(monkeypatch):
    """As PyTorch 2.1 is on a CPU."""
    monkeypatch.setattr("retina_plugin.recipe.speed.can_fuse", lambda name, device: False)


@pytest.mark.usefixtures("without_fused")
@pytest.mark.parametrize("options", [{}, {"optim_wrapper__optimizer__fused": False}])
def test_without_a_fused_optimizer_the_key_is_left_out(load, options):
    cfg = load("retinanet_r50", **options)
    choose_speed(cfg)
    assert "fused" not in cfg.optim_wrapper.optimizer


@pytest.mark.usefixtures("without_fused")
def test_a_fused_optimizer_that_is_asked_for_and_lacks_is_an_error(load):
    cfg = load("retinanet_r50", optim_wrapper__optimizer__fused=True)
    with pytest.raises(ValueError, match=r"fused=True cannot run: torch .* has no fused SGD on"):
        choose_speed(cfg)


def test_off_is_the_plain_path(load):
    cfg = load("retinanet_r50", fast=False)
    choose_speed(cfg)
    assert cfg.model.type == "RetinaNet"
    assert cfg.optim_wrapper.type == "retina_plugin.MixedPrecisionOptimWrapper"  # for the guard
    assert cfg.optim_wrapper.dtype == "float32"
    assert cfg.model.bbox_head.form == cfg.model.bbox_head.loss_cls.form == "plain"
    assert "fused" not in cfg.optim_wrapper.optimizer
    assert cfg.val_evaluator.type == "retina_plugin.CocoMetric"  # for its checks
    assert cfg.val_evaluator.backend == "pycocotools"


def test_off_takes_the_plain_form_of_cross_entropy_too(load):
    cfg = load("ablations/appendix_ce", fast=False)
    choose_speed(cfg)
    assert cfg.model.bbox_head.loss_cls.type == "retina_plugin.SigmoidCrossEntropyLoss"
    assert cfg.model.bbox_head.loss_cls.form == "plain"


@pytest.mark.parametrize("fast", [True, False])
def test_metrics_in_lists_and_evaluators_are_ours_too(load, fast):
    cfg = load("retinanet_r50", fast=fast)
    cfg.val_evaluator = [cfg.val_evaluator]
    cfg.test_evaluator = {"metrics": [cfg.test_evaluator]}
    choose_speed(cfg)
    assert cfg.val_evaluator[0].type == "retina_plugin.CocoMetric"
    assert cfg.test_evaluator.metrics[0].type == "retina_plugin.CocoMetric"


def test_what_was_set_by_hand_stays(load):
    cfg = load(
        "retinanet_r50",
        optim_wrapper__type="AmpOptimWrapper",
        optim_wrapper__optimizer__fused=False,
        model__type="mmdet.FCOS",
        val_evaluator__type="VOCMetric",
    )
    choose_speed(cfg)
    assert cfg.optim_wrapper.type == "AmpOptimWrapper"
    assert not cfg.optim_wrapper.optimizer.get("fused")
    assert cfg.model.type == "mmdet.FCOS"
    assert cfg.val_evaluator.type == "VOCMetric"


def test_second_call_changes_nothing(load):
    cfg = load("retinanet_r50")
    choose_speed(cfg)
    assert choose_speed(cfg) == []


def test_config_without_the_key_stays(load):
    cfg = load("retinanet_r50")
    cfg.pop("fast")
    assert choose_speed(cfg) == []
    assert cfg.model.type == "RetinaNet"


def test_other_value_is_an_error(load):
    with pytest.raises(ValueError, match="fast expects True or False, but got 'very'"):
        resolve(load("retinanet_r50", fast="very"), say=None)
