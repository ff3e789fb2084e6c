"""Nothing follows the types and the device that a process makes its tensors with.

`torch.set_default_dtype` and `torch.set_default_device` are how users load models in bfloat16 or
onto a GPU; memory that compiled code reads and writes must not change with them.
"""

import copy

import pytest
import torch
from mmcv.ops import roi_align, sigmoid_focal_loss
from mmdet.models.task_modules import AnchorGenerator
from mmengine.structures import InstanceData

from retina_plugin import AnchorAssigner, FocalLoss, nms
from retina_plugin.anchors import AnchorGrid
from retina_plugin.kernels import suppression, winograd
from retina_plugin.kernels.assignment import fast_codes
from retina_plugin.kernels.windows import label_grid
from retina_plugin.matching import PAPER_RULE, label_anchors

OTHERS = [torch.float64, torch.bfloat16, torch.float16, "meta"]


@pytest.fixture(params=OTHERS, ids=str)
def change(request):
    """Change a default of the process."""

    def by():
        if request.param == "meta":
            torch.set_default_device("meta")
        else:
            torch.set_default_dtype(request.param)

    yield by
    torch.set_default_device(None)
    torch.set_default_dtype(torch.float32)


def boxes_of(count):
    corners = torch.rand(count, 2) * 100
    return torch.cat([corners, corners + torch.rand(count, 2) * 60], dim=1)


def with_gradient(compute, *leaves):
    """What a function gives, and its gradients."""
    leaves = [leaf.detach().requires_grad_() for leaf in leaves]
    (out := compute(*leaves)).sum().backward()
    return [out, *(leaf.grad for leaf in leaves)]


def assert_same(compute, change):
    expected = compute()
    change()
    found = compute()
    for one, other in zip(found, expected, strict=True):
        assert one.device.type == "cpu"
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize("form", ["auto", "plain", "native", "blocked"])
def test_focal_loss(form, change):
    logits, labels = torch.randn(50, 4), torch.randint(0, 5, (50,))
    loss = FocalLoss(form=form)
    assert_same(lambda: with_gradient(lambda x: loss(x, labels, avg_factor=3), logits), change)


def test_the_focal_loss_that_mmcv_lite_lacks(change):
    logits, labels = torch.randn(50, 4), torch.randint(0, 5, (50,))
    assert_same(
        lambda: with_gradient(lambda x: sigmoid_focal_loss(x, labels, 2.0, 0.25), logits), change
    )


@pytest.mark.parametrize("count", [0, 3, 300])
@pytest.mark.parametrize("compiler", ["a compiler", "no_compiler"])
def test_assigner(compiler, count, change, request):
    if compiler == "no_compiler":
        request.getfixturevalue(compiler)
    assigner = AnchorAssigner(pos_iou_thr=0.5, neg_iou_thr=0.4)
    priors = InstanceData(priors=boxes_of(2000))
    gts = InstanceData(bboxes=boxes_of(count), labels=torch.randint(0, 4, (count,)))

    def assigned():
        result = assigner.assign(priors, gts)
        return result.gt_inds, result.max_overlaps, result.labels

    assert_same(assigned, change)


def test_codes_of_a_grid(change):
    generator = AnchorGenerator(strides=[8, 16], ratios=[0.5, 1.0], scales=[2])
    grid = AnchorGrid.over(generator, [torch.empty(1, 1, 8, 12), torch.empty(1, 1, 4, 6)])
    boxes = [boxes_of(5), boxes_of(0)]

    def codes():
        compiled = fast_codes(grid, boxes, PAPER_RULE, [None, None], None, "windowed")
        return [
            compiled,
            label_grid(grid, boxes, PAPER_RULE),
            label_anchors(grid.flat(), boxes, PAPER_RULE),
        ]

    assert_same(codes, change)


@pytest.mark.parametrize("form", [nms, suppression], ids=["plain", "compiled"])
def test_suppression(form, change):
    boxes, scores = boxes_of(300), torch.rand(300)
    assert_same(
        lambda: [
            form.nms(boxes, scores, 0.5),
            *form.soft_nms(boxes, scores, 0.3, method="linear"),
            *form.soft_nms(boxes, scores, 0.3, method="gaussian"),
        ],
        change,
    )


def test_winograd(change):
    x = torch.randn(2, 16, 9, 7).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(24, 16, 3, 3)

    def convolved():
        winograd._taps.cache_clear()
        (out,) = winograd.convolution([x], weight, None, (1, 1))
        (of_map,) = winograd.gradient_of_maps([out], weight, (1, 1))
        return [out, of_map, winograd.gradient_of_weight([out], [x], (1, 1))]

    assert_same(convolved, change)


def test_roi_align_of_mmcv_lite(change):
    features, rois = torch.randn(1, 3, 20, 20), torch.tensor([[0, 1.0, 2.0, 15.0, 12.5]])
    assert_same(
        lambda: with_gradient(lambda x: roi_align(x, rois, (3, 3), 0.5, 0, "avg", True), features),
        change,
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_detector_trains_and_detects(make_model, make_sample, tiny_config, dtype, change):
    cfg = copy.deepcopy(tiny_config().model)
    cfg.dtype = dtype
    model = make_model(cfg)
    images = torch.randint(0, 256, (2, 3, 64, 64)).float()
    samples = [make_sample([[4, 4, 40, 44], [20, 20, 60, 60]], [0, 1]), make_sample()]

    def losses():
        model.zero_grad()
        found = model.loss(images, copy.deepcopy(samples))
        total = sum(sum(part) if isinstance(part, list) else part for part in found.values())
        total.backward()
        return [total, *(p.grad for p in model.parameters() if p.grad is not None)]

    assert_same(losses, change)


def test_detections(make_model, make_sample, tiny_config, change):
    model = make_model(copy.deepcopy(tiny_config().model)).eval()
    images = torch.randint(0, 256, (1, 3, 64, 64)).float()

    @torch.no_grad()
    def detections():
        found = model.predict(images, [make_sample()])[0].pred_instances
        return found.bboxes, found.scores, found.labels

    assert_same(detections, change)
