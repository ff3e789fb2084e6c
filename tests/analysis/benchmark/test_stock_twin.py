"""The twin is MMDetection's RetinaNet and nothing else changes."""

import pytest
from mmdet.models.dense_heads import RetinaHead
from mmdet.models.detectors import RetinaNet
from mmdet.models.losses import FocalLoss, L1Loss
from mmdet.models.necks import FPN

from retina_plugin.analysis.benchmark.stock_twin import stock_twin
from retina_plugin.errors import UserError


def test_twin_is_stock_with_our_widths_and_classes(tiny_config, make_model):
    ours = tiny_config()
    before = ours.pretty_text
    twin = stock_twin(ours)
    assert ours.pretty_text == before
    runtime = {"fast", "optim_wrapper", "val_evaluator", "test_evaluator"}
    assert {k for k in ours if twin[k] != ours[k]} == {"model"} | runtime
    assert twin.optim_wrapper.type == "OptimWrapper"
    assert "fused" not in twin.optim_wrapper.optimizer
    assert twin.val_evaluator.type == "mmdet.CocoMetric"
    model = make_model(twin.model)
    head = model.bbox_head
    assert (type(model), type(model.neck), type(head)) == (RetinaNet, FPN, RetinaHead)
    assert (type(head.loss_cls), type(head.loss_bbox)) == (FocalLoss, L1Loss)
    assert type(head.assigner).__name__ == "MaxIoUAssigner"
    assert not model.neck.relu_before_extra_convs
    assert (head.num_classes, head.feat_channels, head.stacked_convs) == (2, 16, 1)
    assert make_model(ours.model).state_dict().keys() == model.state_dict().keys()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("bbox_head.loss_cls", {"type": "retina_plugin.SigmoidCrossEntropyLoss"}, "loss_cls.type"),
        ("bbox_head.loss_cls.use_sigmoid", False, "loss_cls.use_sigmoid"),
        ("bbox_head.loss_cls.alpha", [0.2, 0.3], "loss_cls.alpha"),
        ("bbox_head.loss_bbox", {"type": "GIoULoss"}, "loss_bbox.type=GIoULoss"),
        ("train_cfg.sampler", {"type": "retina_plugin.OHEMSampler"}, "sampler.type"),
    ],
)
def test_what_stock_lacks_has_no_twin(tiny_config, key, value, said):
    """It would train with another loss and be called equal but for MMDetection's parts."""
    cfg = tiny_config()
    *path, last = f"model.{key}".split(".")
    section = cfg
    for name in path:
        section = section[name]
    section[last] = value
    with pytest.raises(UserError, match=f"model.*{said}.*not be the only difference"):
        stock_twin(cfg)
