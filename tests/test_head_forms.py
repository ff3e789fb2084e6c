"""The forms of the head give the same numbers, and one of them never waits for the device."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from retina_plugin import RetinaHead
from retina_plugin.targets import target_form

STRIDES = [8, 16, 32, 64, 128]
# Operators whose result, or its shape, the host has to wait for.
WAITS = {
    "aten::_local_scalar_dense",  # item, tolist, bool, int, float, index of a tensor
    "aten::nonzero",  # indexing by a mask, too
    "aten::masked_select",
    "aten::bincount",
    "aten::repeat_interleave",
    "aten::_unique2",
    "aten::equal",
    "aten::is_nonzero",
}


class HostWaits(TorchDispatchMode):
    """Names every wait of the code that runs under it."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function._schema.name
        masks = [x for x in args[1] if x is not None] if name == "aten::index" else []
        if name in WAITS or any(mask.dtype == torch.bool for mask in masks):
            self.found.append(name)
        return function(*args, **(kwargs or {}))


def make_head(form, **options):
    torch.manual_seed(0)
    loss_form = {"plain": "plain", "windowed": "auto", "masked": "blocked"}[form]
    loss_cls = {"type": "retina_plugin.FocalLoss", "form": loss_form}
    head = RetinaHead(3, 4, 1, 8, **{"loss_cls": loss_cls, "form": form, **options})
    head.init_weights()
    torch.nn.init.normal_(head.retina_reg.weight, std=0.3)  # boxes away from their anchors
    return head


def features(batch=3, size=128):
    torch.manual_seed(1)
    return tuple(torch.randn(batch, 4, max(size // s, 1), max(size // s, 1)) for s in STRIDES)


@pytest.fixture
def samples(make_sample):
    """Images of three sizes; the second has no object, the third a crowd."""
    boxes = [[10, 12, 60, 80], [50, 40, 110, 90], [3, 3, 9, 9], [20, 20, 20, 40]]
    return [
        make_sample(boxes, [0, 2, 1, 1], (128, 128)),
        make_sample([], [], (96, 128)),
        make_sample([[30, 30, 70, 75]], [1], (64, 100), (64, 128), crowd=[[60, 0, 100, 40]]),
    ]


def losses_and_gradients(form, samples, **options):
    head = make_head(form, **options)
    losses = head.loss(features(), samples)
    sum(losses.values()).backward()
    return losses, {name: p.grad for name, p in head.named_parameters()}


OURS = {"type": "retina_plugin.AnchorAssigner", "ignore_iof_thr": 0.5}
STOCK = {
    "type": "mmdet.MaxIoUAssigner",
    "pos_iou_thr": 0.5,
    "neg_iou_thr": 0.4,
    "min_pos_iou": 0.1,
}


@pytest.mark.parametrize("form", ["windowed", "masked"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"normaliser": "batch"},
        {"normaliser": "ema"},
        {"reg_class_agnostic": False},
        {"reg_decoded_bbox": True, "loss_bbox": {"type": "mmdet.GIoULoss"}},
        {"reg_decoded_bbox": True, "loss_bbox": {"type": "mmdet.CIoULoss"}},
        {"train_cfg": {"allowed_border": 0, "pos_weight": 2.0}},
        {"train_cfg": {"assigner": OURS}},
        {"train_cfg": {"sampler": {"type": "retina_plugin.OHEMSampler", "number": 8}}},
        {"loss_cls": {"type": "retina_plugin.FocalStarLoss"}},
        {"loss_cls": {"type": "retina_plugin.SoftmaxFocalLoss"}},
        {"train_cfg": {"assigner": STOCK}},
        {"loss_cls": {"type": "mmdet.VarifocalLoss", "use_sigmoid": True}},
    ],
)
def test_fast_forms_give_the_plain_losses_and_gradients(form, options, samples):
    expected, expected_grads = losses_and_gradients("plain", samples, **options)
    losses, grads = losses_and_gradients(form, samples, **options)
    torch.testing.assert_close(losses, expected, rtol=1e-5, atol=1e-7)
    for name, grad in grads.items():
        torch.testing.assert_close(grad, expected_grads[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("form", ["windowed", "masked"])
@pytest.mark.parametrize("score_thr", [0.0, 0.0101, 0.05])
@pytest.mark.parametrize("nms_pre", [10, 1000])
def test_fast_forms_give_the_plain_detections(form, score_thr, nms_pre, samples):
    test_cfg = {"score_thr": score_thr, "nms_pre": nms_pre, "max_per_img": 20}
    results = []
    for name in ("plain", form):
        head = make_head(name, test_cfg=test_cfg).eval()
        results.append(head.predict(features(), samples))
    for plain, fast in zip(*results, strict=True):
        for field in ("bboxes", "scores", "labels"):
            assert torch.equal(fast[field], plain[field])


def test_masked_form_never_waits_for_the_device(samples, monkeypatch):
    head = make_head("masked")
    head.loss(features(), samples)  # looks at the labels, once

    def wait(*_):
        raise AssertionError("waits for the device")

    names = ("item", "nonzero", "tolist", "__bool__", "__index__", "__int__", "__float__")
    for name in names:
        monkeypatch.setattr(torch.Tensor, name, wait)
    with HostWaits() as waits:
        head.loss(features(), samples)
    assert waits.found == []


def test_plain_form_does_wait():
    """What the test above looks for exists."""
    with HostWaits() as waits:
        bool(torch.tensor([1.0, 2.0])[torch.tensor([True, False])] > 0)
    assert waits.found == ["aten::index", "aten::_local_scalar_dense"]


def test_windowed_form_belongs_to_the_cpu():
    assert target_form("auto", "cpu") == "windowed"
    assert target_form("auto", "cuda") == "masked"
    assert target_form("auto", "mps") == "plain"
    with pytest.raises(ValueError, match="form='windowed' works on the CPU, but the model is on"):
        target_form("windowed", "cuda")


def test_unknown_form_is_an_error():
    with pytest.raises(ValueError, match="form to be one of"):
        RetinaHead(3, 4, form="fastest")
