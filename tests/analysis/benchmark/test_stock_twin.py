"""The twin is MMDetection's RetinaNet and nothing else changes."""

from mmdet.models.dense_heads import RetinaHead
from mmdet.models.detectors import RetinaNet
from mmdet.models.losses import FocalLoss, L1Loss
from mmdet.models.necks import FPN

from retina_plugin.analysis.benchmark.stock_twin import stock_twin


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
