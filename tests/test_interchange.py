"""Contract 3: our modules in MMDetection's models, MMDetection's modules in our head."""

from pathlib import Path

import mmdet
import pytest
import torch
from mmengine.config import Config

from retina_plugin.kernels import assignment

ROOT = Path(__file__).parents[1]
CONFIGS = Path(mmdet.__path__[0], ".mim/configs")


def narrow(cfg):
    cfg.backbone.update(depth=18, init_cfg=None, frozen_stages=-1)
    cfg.backbone.pop("norm_eval", None)
    cfg.backbone.update(norm_cfg={"type": "BN", "requires_grad": True}, style="pytorch")
    cfg.neck.update(in_channels=[64, 128, 256, 512], out_channels=32)
    cfg.bbox_head.update(in_channels=32, feat_channels=32, stacked_convs=1, num_classes=4)
    cfg.test_cfg.score_thr = 0.0
    return cfg


def stock(name):
    return narrow(Config.fromfile(CONFIGS / name).model)


def ours():
    return narrow(Config.fromfile(ROOT / "configs/retinanet_r50.py").model)


@pytest.fixture
def check(make_model, make_sample):
    """One train step, after which every parameter of the head has learned, and one prediction."""

    def run(cfg):
        model = make_model(cfg)
        samples = [
            make_sample([[8.0, 8.0, 60.0, 50.0], [30.0, 30.0, 90.0, 90.0]], [0, 3], (96, 96)),
            make_sample([], [], (96, 96)),
        ]
        images = torch.randn(2, 3, 96, 96)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        losses = model.loss(images, samples)
        total = sum(sum(v) if isinstance(v, list) else v for v in losses.values())
        total.backward()
        assert total.isfinite()
        assert total > 0
        assert all(p.grad is not None for p in model.bbox_head.parameters())
        optimizer.step()
        with torch.no_grad():
            results = model.eval().predict(images, samples)
        assert all(0 < len(result.pred_instances) <= 100 for result in results)
        return losses

    return run


@pytest.mark.parametrize(
    "name", ["fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py", "atss/atss_r50_fpn_1x_coco.py"]
)
def test_our_focal_loss_in_stock_heads(name, check):
    cfg = stock(name)
    cfg.bbox_head.loss_cls.type = "retina_plugin.FocalLoss"
    ours_loss = check(cfg)["loss_cls"]
    torch.manual_seed(0)
    stock_loss = check(stock(name))["loss_cls"]
    got, expected = (sum(v) if isinstance(v, list) else v for v in (ours_loss, stock_loss))
    assert got.item() == pytest.approx(expected.item(), rel=1e-5)


SWITCHED = """
_base_ = "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py"
custom_imports = dict(imports=["retina_plugin"])
model = dict(train_cfg=dict(assigner=dict(type="retina_plugin.AnchorAssigner")))
"""


@pytest.mark.parametrize("border", [-1, 8])
def test_a_stock_config_with_our_assigner_alone_has_the_stock_losses(check, tmp_path, border):
    (tmp_path / "switched.py").write_text(SWITCHED)
    losses = []
    for path in (CONFIGS / "retinanet/retinanet_r50_fpn_1x_coco.py", tmp_path / "switched.py"):
        torch.manual_seed(0)
        cfg = narrow(Config.fromfile(path).model)
        cfg.train_cfg.allowed_border = border
        losses.append(check(cfg))
    for name, expected in losses[0].items():
        assert [x.item() for x in losses[1][name]] == [x.item() for x in expected]


def test_our_assigner_takes_its_fast_form_in_the_stock_head(check, monkeypatch):
    calls = []
    native = assignment._native
    monkeypatch.setattr(assignment, "_native", lambda *given: calls.append(1) or native(*given))
    cfg = stock("retinanet/retinanet_r50_fpn_1x_coco.py")
    cfg.train_cfg.assigner.type = "retina_plugin.AnchorAssigner"
    check(cfg)
    assert len(calls) == 2  # images


def test_our_neck_under_a_stock_detector(check):
    cfg = stock("fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py")
    cfg.neck.type = "retina_plugin.RetinaFPN"
    check(cfg)


def test_stock_assigner_in_our_head_gives_our_losses(check):
    cfg = ours()
    cfg.train_cfg.assigner = {"type": "MaxIoUAssigner", "pos_iou_thr": 0.5, "neg_iou_thr": 0.4}
    got = check(cfg)
    torch.manual_seed(0)
    for name, expected in check(ours()).items():
        assert got[name].item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize(
    "loss",
    [
        {"type": "GHMC", "bins": 30, "momentum": 0.75, "use_sigmoid": True},
        {"type": "VarifocalLoss", "use_sigmoid": True, "iou_weighted": True},
        {"type": "QualityFocalLoss", "use_sigmoid": True, "beta": 2.0},
        {"type": "FocalLoss", "use_sigmoid": True},
        {"type": "CrossEntropyLoss", "use_sigmoid": True},
        {"type": "CrossEntropyLoss", "use_sigmoid": False},
    ],
    ids=lambda loss: loss["type"] + ("" if loss["use_sigmoid"] else "Softmax"),
)
def test_stock_classification_losses_in_our_head(loss, check):
    cfg = ours()
    cfg.bbox_head.loss_cls = loss
    check(cfg)


@pytest.mark.parametrize("loss", ["IoULoss", "GIoULoss", "CIoULoss"])
def test_stock_box_losses_in_our_head(loss, check):
    cfg = ours()
    cfg.bbox_head.reg_decoded_bbox = True
    cfg.bbox_head.loss_bbox = {"type": loss}
    check(cfg)


def test_stock_box_coder_in_our_head(check):
    cfg = ours()
    cfg.bbox_head.bbox_coder = {"type": "TBLRBBoxCoder", "normalizer": 4.0}
    check(cfg)


def test_anchors_of_another_generator_in_our_head(check):
    cfg = ours()
    cfg.bbox_head.anchor_generator = {
        "type": "AnchorGenerator",
        "scales": [4],
        "ratios": [1.0],
        "strides": [8, 16, 32, 64, 128],
    }
    check(cfg)
