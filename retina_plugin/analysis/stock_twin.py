"""The config that differs from one of ours in nothing but being MMDetection's RetinaNet."""

import copy

from mmengine.config import Config, ConfigDict

OWN_NECK_KEYS = ("relu_before_extra_convs",)
OWN_HEAD_KEYS = ("normaliser", "prior_prob", "reg_class_agnostic")


def stock_twin(cfg: Config) -> Config:
    """A copy with MMDetection's neck, head, losses and assigner, as MMDetection ships them.

    Backbone, widths, anchors, classes, data, schedule and runtime stay.

    Args:
        cfg: a resolved config with our model.
    """
    twin = copy.deepcopy(cfg)
    model = twin.model
    _retype(model.neck, "FPN", OWN_NECK_KEYS)
    _retype(model.bbox_head, "RetinaHead", OWN_HEAD_KEYS)
    _retype(model.bbox_head.loss_cls, "FocalLoss")
    model.bbox_head.loss_bbox = ConfigDict(type="L1Loss", loss_weight=1.0)
    _retype(model.train_cfg.assigner, "MaxIoUAssigner")
    return twin


def _retype(part: ConfigDict, name: str, own_keys: tuple[str, ...] = ()) -> None:
    part.type = f"mmdet.{name}"
    for key in own_keys:
        part.pop(key, None)
