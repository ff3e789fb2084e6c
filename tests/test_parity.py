"""Contract 2: with presets/mmdet and MMDetection's weights, MMDetection's numbers."""

import copy
from pathlib import Path

import mmdet
import pytest
import torch
from mmengine.config import Config

STOCK = Path(mmdet.__path__[0], ".mim/configs/retinanet/retinanet_r50_fpn_1x_coco.py")
PRESET = Path(__file__).parents[1] / "configs/presets/mmdet.py"
NARROW = {
    "backbone": {"depth": 18, "init_cfg": None, "frozen_stages": -1},
    "neck": {"in_channels": [64, 128, 256, 512], "out_channels": 32},
    "bbox_head": {"in_channels": 32, "feat_channels": 32, "stacked_convs": 2},
}


def narrow(path):
    """A config's model, small enough for a test; nothing else is changed."""
    cfg = Config.fromfile(path)
    cfg.merge_from_dict({"model": NARROW})
    return cfg.model


@pytest.fixture
def models(make_model):
    """Stock RetinaNet and ours with its weights; scores spread, so that many are above .05."""
    stock, ours = make_model(narrow(STOCK)), make_model(narrow(PRESET))
    torch.nn.init.normal_(stock.bbox_head.retina_cls.weight, std=0.1)
    torch.nn.init.constant_(stock.bbox_head.retina_cls.bias, -2.0)
    ours.load_state_dict(stock.state_dict(), strict=True)
    return stock, ours


@pytest.fixture
def make_batch(make_sample):
    """Images of the given sizes in one padded batch; the second has no object."""

    def build(sizes, seed=0):
        generator = torch.Generator().manual_seed(seed)
        samples = []
        for i, (height, width) in enumerate(sizes):
            count = 0 if i == 1 else 4
            scale = torch.tensor([width, height])
            corner = torch.rand(count, 2, generator=generator) * scale * 0.7
            size = torch.rand(count, 2, generator=generator) * scale * 0.3 + 4
            labels = torch.randint(0, 80, (count,), generator=generator)
            pad_shape = (-(-height // 32) * 32, -(-width // 32) * 32)
            boxes = torch.cat([corner, corner + size], dim=1)
            samples.append(make_sample(boxes, labels, (height, width), pad_shape))
        shape = [max(sample.pad_shape[axis] for sample in samples) for axis in (0, 1)]
        return torch.randn(len(sizes), 3, *shape, generator=generator), samples

    return build


SIZES = {
    "small": [(96, 128)] * 2,
    "middle": [(192, 160)] * 2,
    "large": [(256, 333)] * 2,
    "mixed": [(200, 160), (96, 256), (64, 64)],
}


def step(model, images, samples):
    model.zero_grad()
    losses = model.train().loss(images, copy.deepcopy(samples))
    losses = {k: sum(v) if isinstance(v, list) else v for k, v in losses.items()}
    sum(losses.values()).backward()
    gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    return losses, gradients


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_losses_and_gradients_are_mmdetections(models, make_batch, sizes):
    batch = make_batch(sizes)
    (stock_losses, stock_gradients), (losses, gradients) = (step(m, *batch) for m in models)
    assert losses.keys() == stock_losses.keys()
    for name, loss in losses.items():
        assert loss.item() == pytest.approx(stock_losses[name].item(), rel=1e-6)
    assert gradients.keys() == stock_gradients.keys()
    for name, gradient in gradients.items():
        expected = stock_gradients[name]
        assert (gradient - expected).norm() <= 1e-5 * expected.norm(), name


def same_order(got, expected):
    """Which of `got` is each of `expected`; scores that differ by rounding alone may swap."""
    distance = torch.cdist(expected.bboxes, got.bboxes, p=torch.inf)
    distance[expected.labels[:, None] != got.labels] = torch.inf
    order = distance.argmin(dim=1)
    assert order.unique().numel() == len(got)
    return order


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@torch.no_grad()
def test_detections_are_mmdetections(models, make_batch, sizes):
    images, samples = make_batch(sizes)
    stock, ours = (
        [s.pred_instances for s in model.eval().predict(images, copy.deepcopy(samples))]
        for model in models
    )
    for got, expected in zip(ours, stock, strict=True):
        assert len(got) == len(expected) > 50
        torch.testing.assert_close(got.scores, expected.scores, rtol=1e-6, atol=0)
        got = got[same_order(got, expected)]
        assert torch.equal(got.labels, expected.labels)
        torch.testing.assert_close(got.scores, expected.scores, rtol=1e-6, atol=0)
        torch.testing.assert_close(got.bboxes, expected.bboxes, rtol=1e-5, atol=1e-4)


def test_papers_options_are_not_mmdetections(models, make_batch):
    """The ReLU before P7 and the image normaliser change the numbers: the options do act."""
    images, samples = make_batch(SIZES["mixed"])
    stock, ours = models
    ours.neck.relu_before_extra_convs = True
    p7, stock_p7 = (model.extract_feat(images)[4] for model in (ours, stock))
    assert not torch.allclose(p7, stock_p7)
    ours.neck.relu_before_extra_convs = False
    ours.bbox_head.normaliser.kind = "image"
    losses, stock_losses = (step(model, images, samples)[0] for model in (ours, stock))
    assert losses["loss_cls"].item() != pytest.approx(stock_losses["loss_cls"].item(), rel=0.01)


def test_stock_config_with_only_type_names_changed_loads_stock_weights(make_model):
    cfg = narrow(STOCK)
    stock = make_model(copy.deepcopy(cfg), init=False)
    cfg.neck.type = "retina_plugin.RetinaFPN"
    cfg.bbox_head.type = "retina_plugin.RetinaHead"
    cfg.bbox_head.loss_cls.type = "retina_plugin.FocalLoss"
    cfg.train_cfg.assigner.type = "retina_plugin.AnchorAssigner"
    ours = make_model(cfg, init=False)
    assert list(ours.state_dict()) == list(stock.state_dict())
    ours.load_state_dict(stock.state_dict(), strict=True)


def test_full_size_models_have_the_same_parameters(make_model):
    stock, ours = (Config.fromfile(path).model for path in (STOCK, PRESET))
    stock.backbone.init_cfg = ours.backbone.init_cfg = None
    shapes = [
        {name: value.shape for name, value in make_model(cfg, init=False).state_dict().items()}
        for cfg in (stock, ours)
    ]
    assert shapes[0] == shapes[1]
    assert shapes[1]["neck.fpn_convs.3.conv.weight"] == (256, 2048, 3, 3)
