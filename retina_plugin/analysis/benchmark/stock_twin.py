"""The config that differs from one of ours in nothing but being MMDetection's RetinaNet."""

import copy

from mmengine.config import Config, ConfigDict

OWN_NECK_KEYS = ("relu_before_extra_convs",)
OWN_HEAD_KEYS = ("normaliser", "prior_prob", "reg_class_agnostic", "form")
OWN_DETECTOR_KEYS = ("dtype", "channels_last", "fold_norm")


def stock_twin(cfg: Config) -> Config:
    """A copy with MMDetection's detector and its parts, trained in float32, as it ships them.

    Backbone, widths, anchors, classes, data and schedule stay.

    Args:
        cfg: a resolved config with our model.
    """
    twin = copy.deepcopy(cfg)
    model = twin.model
    _retype(model, "RetinaNet", OWN_DETECTOR_KEYS)
    _retype(model.neck, "FPN", OWN_NECK_KEYS)
    _retype(model.bbox_head, "RetinaHead", OWN_HEAD_KEYS)
    _retype(model.bbox_head.loss_cls, "FocalLoss", ("form",))
    model.bbox_head.loss_bbox = ConfigDict(type="L1Loss", loss_weight=1.0)
    _retype(model.train_cfg.assigner, "MaxIoUAssigner")
    if twin.optim_wrapper.type == "retina_plugin.MixedPrecisionOptimWrapper":
        twin.optim_wrapper.type = "OptimWrapper"
        twin.optim_wrapper.pop("dtype", None)
    twin.optim_wrapper.optimizer.pop("fused", None)
    for key in ("val_evaluator", "test_evaluator"):
        if isinstance(twin.get(key), dict):
            _retype(twin[key], "CocoMetric", ("backend",))
    twin.fast = False
    return twin


def _retype(part: ConfigDict, name: str, own_keys: tuple[str, ...] = ()) -> None:
    part.type = f"mmdet.{name}"
    for key in own_keys:
        part.pop(key, None)
