"""Settings of the head: known keys are honoured, everything else is an error."""

import pytest
import torch
from mmengine.structures import InstanceData

from retina_plugin.settings import (
    TEST_CFG,
    TRAIN_CFG,
    check_gt_labels,
    checked_test_cfg,
    checked_train_cfg,
)


def test_none_gives_the_papers_settings():
    assert checked_train_cfg(None) == TRAIN_CFG
    assert checked_test_cfg(None) == TEST_CFG
    assert TEST_CFG["score_thr"] == 0.05
    assert TEST_CFG["nms"]["iou_threshold"] == 0.5
    assert (TEST_CFG["nms_pre"], TEST_CFG["max_per_img"]) == (1000, 100)


def test_given_settings_win():
    assert checked_train_cfg({"pos_weight": 2.0})["pos_weight"] == 2.0
    assert checked_test_cfg({"score_thr": 0.3})["score_thr"] == 0.3


@pytest.mark.parametrize(
    "nms", [None, {"type": "soft_nms"}, {"type": "nms", "iou_thr": 0.6}, {"iou_threshold": 1}]
)
def test_other_nms_settings_of_mmcv_stay(nms):
    assert checked_test_cfg({"nms": nms})["nms"] == nms


@pytest.mark.parametrize(
    "sampler", [None, {"type": "PseudoSampler"}, {"type": "mmdet.PseudoSampler"}]
)
def test_no_sampler_and_the_pseudo_sampler_are_the_same(sampler):
    assert checked_train_cfg({"sampler": sampler})["sampler"] is None


@pytest.mark.parametrize(
    ("cfg", "words"),
    [
        ({"alowed_border": 0}, "train_cfg has the key 'alowed_border'.*'allowed_border'"),
        ({"sampler": {"type": "OHEMSampler"}}, "retina_plugin.OHEMSampler .*got 'OHEMSampler'"),
        ({"debug": True}, "no debug mode"),
        ({"pos_weight": None}, "model.train_cfg.pos_weight to be a finite number, but got None"),
    ],
)
def test_training_setting_that_cannot_be_honoured_is_an_error(cfg, words):
    with pytest.raises(ValueError, match=words):
        checked_train_cfg(cfg)


@pytest.mark.parametrize(
    ("cfg", "words"),
    [
        ({"score_thresh": 0.1}, "did you mean 'score_thr'"),
        ({"rpn": {}}, "it knows"),
        ({"nms": {"type": "__import__('os')"}}, "nms.type to be one of"),
        ({"nms": {"type": "nms"}}, r"nms.iou_threshold to be a number in \[0, 1\], but got None"),
        ({"nms": {"type": "soft_nms", "iou_threshold": "a"}}, "nms.iou_threshold .* got 'a'"),
        ({"nms": {"type": "nms", "iou_thr": 50}}, "nms.iou_thr .* got 50"),
        ({"score_thr": 5}, "model.test_cfg.score_thr to be a number <= 1, but got 5"),
        ({"max_per_img": -1}, "model.test_cfg.max_per_img to be a whole number >= 1, but got -1"),
        ({"nms_pre": 0.5}, "model.test_cfg.nms_pre to be a whole number, but got 0.5"),
    ],
)
def test_test_setting_that_cannot_be_honoured_is_an_error(cfg, words):
    with pytest.raises(ValueError, match=words):
        checked_test_cfg(cfg)


@pytest.mark.parametrize("label", [-1, 3])
def test_label_out_of_range_is_named_with_its_image(label):
    gts = [
        InstanceData(labels=torch.tensor([], dtype=torch.long)),
        InstanceData(labels=torch.tensor([0, label])),
    ]
    metas = [{"img_path": "a.jpg"}, {"img_path": "b.jpg"}]
    with pytest.raises(ValueError, match=f"image b.jpg has the label {label}.*num_classes=3"):
        check_gt_labels(gts, metas, 3)
    gts[1].labels[1] = 2
    check_gt_labels(gts, metas, 3)
