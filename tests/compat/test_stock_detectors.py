"""Detectors of MMDetection on the operators that are there, compiled ones or stand-ins."""

from pathlib import Path

import mmdet
import numpy as np
import pytest
import torch
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.structures import InstanceData

from retina_plugin.engine.inferencer import load_detector

CONFIGS = Path(mmdet.__file__).parent / ".mim" / "configs"
R18 = {"depth": 18, "init_cfg": None, "norm_eval": False, "frozen_stages": -1}


def small(name):
    cfg = Config.fromfile(CONFIGS / name).model
    cfg.backbone.update(R18)
    cfg.neck.update(in_channels=[64, 128, 256, 512], out_channels=32)
    if "rpn_head" in cfg:
        cfg.rpn_head.update(in_channels=32, feat_channels=32)
    heads = cfg.roi_head
    heads.bbox_roi_extractor.out_channels = 32
    heads.bbox_head.update(in_channels=32, fc_out_channels=32, num_classes=3)
    if "mask_head" in heads:
        heads.mask_roi_extractor.out_channels = 32
        heads.mask_head.update(in_channels=32, conv_out_channels=32, num_classes=3)
    cfg.test_cfg.rcnn.score_thr = 0.0
    return cfg


@pytest.fixture
def detector(make_model):
    return make_model(small("faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py"))


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


def with_masks(batch):
    for sample in batch["data_samples"]:
        boxes = sample.gt_instances.bboxes.int().numpy()
        masks = np.zeros((len(boxes), 96, 128), np.uint8)
        for mask, (left, top, right, bottom) in zip(masks, boxes, strict=True):
            mask[top:bottom, left:right] = 1
        sample.gt_instances.masks = BitmapMasks(masks, 96, 128)
    return batch


def with_proposals(batch):
    corners = torch.rand(60, 2, 2) * torch.tensor([128.0, 96.0])
    boxes = torch.cat([corners.amin(1), corners.amax(1)], dim=-1)
    for sample in batch["data_samples"]:
        near = sample.gt_instances.bboxes + 1.0
        sample.proposals = InstanceData(bboxes=torch.cat([boxes, near]))
    return batch


@pytest.mark.parametrize(
    ("name", "adapt", "own_loss"),
    [
        ("mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py", with_masks, "loss_mask"),
        ("fast_rcnn/fast-rcnn_r50_fpn_1x_coco.py", with_proposals, "loss_bbox"),
    ],
)
def test_mask_and_fast_rcnn_load_take_a_step_and_predict(
    make_model, batch, tmp_path, name, adapt, own_loss
):
    torch.save(make_model(small(name)).state_dict(), tmp_path / "weights.pth")
    detector = make_model(small(name))
    load_detector(detector, str(tmp_path / "weights.pth"), map_location="cpu")
    batch = adapt(batch)
    losses = detector.train()(**batch, mode="loss")
    assert losses[own_loss] > 0
    before = detector.neck.fpn_convs[0].conv.weight.clone()
    optimizer = torch.optim.SGD(detector.parameters(), lr=0.1)
    detector.parse_losses(losses)[0].backward()
    optimizer.step()
    assert not torch.equal(before, detector.neck.fpn_convs[0].conv.weight)
    with torch.no_grad():
        results = detector.eval()(**adapt(batch), mode="predict")  # training uses proposals up
    assert all(len(result.pred_instances) > 0 for result in results)
    if "mask" in name:
        first = results[0].pred_instances
        assert first.masks.shape == (len(first), 96, 128)
