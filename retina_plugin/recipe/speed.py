"""The fast runtime: one key of the config, filled in where the config leaves it open."""

from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.device import get_device

from ..compat.torch_features import can_fuse
from ..errors import UserError
from .datasets import evaluators_of
from .report import Change

# Each stock part, and ours that computes the same faster.
DETECTORS = ("RetinaNet", "mmdet.RetinaNet")
OPTIM_WRAPPERS = ("OptimWrapper", "mmengine.OptimWrapper")
METRICS = ("CocoMetric", "mmdet.CocoMetric")
LOSSES_WITH_FORMS = ("retina_plugin.FocalLoss", "retina_plugin.SigmoidCrossEntropyLoss")
OUR_METRIC = "retina_plugin.CocoMetric"
FUSED_OPTIMIZERS = ("SGD", "Adam", "AdamW")


def choose_speed(cfg: Config) -> list[Change]:
    """Puts in the fast parts where `fast` is on, and the plain forms where it is off.

    A config without the key stays as it is. What was set by hand stays: another optimizer
    wrapper, a loss's own `form`, `optimizer.fused`.

    Raises:
        UserError: `fast` is neither True nor False.
    """
    if "fast" not in cfg:
        return []
    if not isinstance(cfg.fast, bool):
        raise UserError(f"fast expects True or False, but got {cfg.fast!r}.")
    changes = _turn_on(cfg) if cfg.fast else _turn_off(cfg)
    return [change for change in changes if change is not None]


def _turn_on(cfg: Config) -> list[Change | None]:
    changes = [
        _retype(cfg.model, DETECTORS, "retina_plugin.RetinaNet", "model"),
        _retype_wrapper(cfg, "fast=True"),
        _fuse(cfg.get("optim_wrapper", ConfigDict()).get("optimizer", ConfigDict())),
    ]
    for key, metric in _metrics(cfg):
        changes.append(_retype(metric, METRICS, OUR_METRIC, key))
    return changes


def _fuse(optimizer: ConfigDict) -> Change | None:
    """Have it step by one kernel where this PyTorch has one for this machine's device.

    Raises:
        UserError: `fused=True` was set by hand, and this PyTorch has no fused kernel.
    """
    name, device = optimizer.get("type"), get_device()
    if name not in FUSED_OPTIMIZERS:
        return None
    if can_fuse(name, device):
        return _fill(optimizer, "fused", True, "optim_wrapper.optimizer")
    if optimizer.get("fused"):
        raise UserError(
            f"optim_wrapper.optimizer.fused=True cannot run: torch {torch.__version__} has no "
            f"fused {name} on {device}; remove the key, or upgrade torch."
        )
    optimizer.pop("fused", None)  # an optimizer without the key does as with fused=False
    return None


def _turn_off(cfg: Config) -> list[Change | None]:
    head = cfg.model.get("bbox_head", ConfigDict())
    changes = _guarded(cfg)
    if head.get("type") == "retina_plugin.RetinaHead":
        changes.append(_fill(head, "form", "plain", "model.bbox_head"))
        if head.get("loss_cls", {}).get("type") in LOSSES_WITH_FORMS:
            changes.append(_fill(head.loss_cls, "form", "plain", "model.bbox_head.loss_cls"))
    return changes


def _guarded(cfg: Config) -> list[Change | None]:
    """Our wrapper and metric in their plain forms: they refuse what is not finite."""
    changes = [_retype_wrapper(cfg, "fast=False")]
    if changes[0] is not None:
        changes.append(_fill(cfg.optim_wrapper, "dtype", "float32", "optim_wrapper"))
    for key, metric in _metrics(cfg):
        changes.append(_retype(metric, METRICS, OUR_METRIC, key, "fast=False"))
        if changes[-1] is not None:
            changes.append(_fill(metric, "backend", "pycocotools", key))
    return changes


def _metrics(cfg: Config) -> list[tuple[str, ConfigDict]]:
    return [each for split in ("val", "test") for each in evaluators_of(cfg, split)]


def _retype_wrapper(cfg: Config, reason: str) -> Change | None:
    """Ours for MMEngine's; it is the one that can leave out a step that is not finite."""
    wrapper = cfg.get("optim_wrapper", ConfigDict())
    ours = "retina_plugin.MixedPrecisionOptimWrapper"
    return _retype(wrapper, OPTIM_WRAPPERS, ours, "optim_wrapper", reason)


def _retype(
    part: ConfigDict, stock: tuple[str, ...], ours: str, key: str, reason: str = "fast=True"
) -> Change | None:
    if part.get("type") not in stock:
        return None
    part.type = ours
    return Change(f"{key}.type", ours, reason)


def _fill(part: ConfigDict, name: str, value: Any, key: str) -> Change | None:
    if name in part:
        return None
    part[name] = value
    return Change(f"{key}.{name}", value, "fast=True" if value is True else "fast=False")
