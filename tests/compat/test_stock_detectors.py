"""Detectors of MMDetection on the operators that are there, compiled ones or stand-ins."""

from pathlib import Path

import mmdet
import pytest
import torch
from mmengine.config import Config

CONFIGS = Path(mmdet.__file__).parent / ".mim" / "configs"
R18 = {"depth": 18, "init_cfg": None, "norm_eval": False, "frozen_stages": -1}


@pytest.fixture
def detector(make_model):
    cfg = Config.fromfile(CONFIGS / "faster_rcnn" / "faster-rcnn_r50_fpn_1x_coco.py").model
    cfg.backbone.update(R18)
    cfg.neck.update(in_channels=[64, 128, 256, 512], out_channels=32)
    cfg.rpn_head.update(in_channels=32, feat_channels=32)
    cfg.roi_head.bbox_roi_extractor.out_channels = 32
    cfg.roi_head.bbox_head.update(in_channels=32, fc_out_channels=32, num_classes=3)
    cfg.test_cfg.rcnn.score_thr = 0.0
    return make_model(cfg)


@pytest.fixture
def batch(make_sample):
    samples = [
        make_sample([[8, 8, 50, 40], [60, 20, 90, 90]], [0, 2], img_shape=(96, 128)),
        make_sample(img_shape=(96, 128)),
    ]
    return {"inputs": torch.rand(2, 3, 96, 128), "data_samples": samples}


def test_faster_rcnn_trains_a_step(detector, batch):
    losses = detector.train()(**batch, mode="loss")
    assert detector.parse_losses(losses)[0].isfinite()
    losses["loss_cls"].backward()  # of the second stage, which sees the neck through RoIAlign
    assert detector.neck.fpn_convs[0].conv.weight.grad.abs().sum() > 0


def test_faster_rcnn_predicts(detector, batch):
    with torch.no_grad():
        results = detector.eval()(**batch, mode="predict")
    assert [len(result.pred_instances) for result in results] == [100, 100]
    scores = results[0].pred_instances.scores
    assert torch.equal(scores, scores.sort(descending=True).values)
