import numpy as np
import pytest
import torch
from mmengine.config import Config

from retina_plugin.analysis.comparison.candidates import path_of
from retina_plugin.analysis.comparison.measured import (
    Ready,
    built,
    costs,
    dataset_samples,
    image_samples,
    multiply_adds,
    precision_of,
    predict,
    random_proposals,
    wants_proposals,
)
from retina_plugin.errors import UserError

IMAGE = np.zeros((48, 64, 3), np.uint8)
FAST_RCNN = "mmdet::fast_rcnn/fast-rcnn_r50_fpn_1x_coco.py"


def conv_work(model, height, width):
    """Of every convolution over a (1, 3, height, width) input, by its output's size."""
    total = 0

    def add(module, _inputs, output):
        nonlocal total
        total += output[0].numel() * module.weight[0].numel()

    hooks = [
        module.register_forward_hook(add)
        for module in model.modules()
        if isinstance(module, torch.nn.Conv2d)
    ]
    with torch.no_grad():
        model(torch.zeros(1, 3, height, width), mode="tensor")
    for hook in hooks:
        hook.remove()
    return total


def small(cfg):
    for step in cfg.test_dataloader.dataset.pipeline:
        if step["type"] == "Resize":
            step["scale"] = (64, 48)
    cfg.model.data_preprocessor.pad_size_divisor = 1
    return cfg


def test_the_same_network_costs_the_same_in_our_fast_form_and_in_the_plain_one(tiny_config):
    cfg = small(tiny_config())
    plain = Config(cfg.to_dict())
    plain.model.update(fold_norm=False, channels_last=False, dtype="float32")
    (sample,) = image_samples(cfg, [IMAGE])
    plain_model = built(plain, None, "cpu")
    work = multiply_adds(plain_model, sample)
    assert work == conv_work(plain_model, 48, 64)
    assert multiply_adds(built(cfg, None, "cpu"), sample) == work


def test_each_model_is_measured_on_the_images_that_its_pipeline_makes(tiny_config):
    cfg = tiny_config()
    model = built(cfg, None, "cpu")
    samples = list(dataset_samples(cfg, 5))
    assert len(samples) == 2  # the data have no more
    ready = Ready(model, samples, multiply_adds(model, samples[0]))
    (cost,) = costs({"tiny": ready}, repeats=3, device="cpu").values()
    assert cost.parameters == sum(weight.numel() for weight in model.parameters())
    assert cost.input == (64, 64)
    low, middle, high = cost.seconds[1], cost.seconds[0], cost.seconds[2]
    assert 0 < low <= middle <= high
    assert cost.peak_bytes > 3 * 64 * 64 * 4  # the image alone is that
    assert cost.note == ""


def test_the_precision_is_that_of_the_convolutions(tiny_config):
    cfg = tiny_config()
    cfg.model.dtype = "bfloat16"
    assert precision_of(built(cfg, None, "cpu"), "cpu") == "bfloat16"
    assert precision_of(torch.nn.Conv2d(1, 1, 1).double(), "cpu") == "float64"


def test_weights_of_another_model_are_refused(tiny_config, tmp_path):
    weights = built(tiny_config(), None, "cpu").state_dict()
    del weights["neck.fpn_convs.0.conv.weight"]
    torch.save(weights, tmp_path / "other.pth")
    with pytest.raises(UserError, match="does not fit the model of the config"):
        built(tiny_config(), str(tmp_path / "other.pth"), "cpu")


def test_a_detector_without_proposal_network_is_given_proposals():
    cfg = small(Config.fromfile(path_of(FAST_RCNN)))
    cfg.model.backbone.update(depth=18)
    cfg.model.neck.in_channels = [64, 128, 256, 512]
    cfg.model.neck.out_channels = cfg.model.roi_head.bbox_roi_extractor.out_channels = 8
    cfg.model.roi_head.bbox_head.update(in_channels=8, fc_out_channels=8)
    model = built(cfg, None, "cpu")
    assert wants_proposals(model)
    (sample,) = image_samples(cfg, [IMAGE])
    assert len(sample["data_samples"].proposals) == 1000
    assert len(predict(model, sample)) == 1
    without = {**sample, "data_samples": sample["data_samples"].clone()}
    del without["data_samples"].proposals
    assert multiply_adds(model, without) == multiply_adds(model, sample)


def test_proposals_lie_in_the_image_and_are_always_the_same():
    boxes = random_proposals(30, 50)["bboxes"]
    assert torch.equal(boxes, random_proposals(30, 50)["bboxes"])
    assert (boxes[:, 2:] >= boxes[:, :2]).all()
    assert (boxes.amin() >= 0) and (boxes[:, 2].amax() <= 50) and (boxes[:, 3].amax() <= 30)
