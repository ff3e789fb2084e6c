"""The head: prior, shapes, losses, detections, settings."""

import math

import pytest
import torch
import torch.nn.functional as F
from mmdet.models.dense_heads import RetinaHead as StockHead
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.config import ConfigDict
from mmengine.model import PretrainedInit
from torch.utils.checkpoint import checkpoint

from retina_plugin import FocalLoss, RetinaHead
from retina_plugin.errors import UserError
from retina_plugin.head import permute_to_N_HWA_K
from retina_plugin.settings import ANCHORS, BOX_CODER

STRIDES = [8, 16, 32, 64, 128]
PI_BIAS = -math.log(99)


def small_head(num_classes=3, **options):
    options = {"stacked_convs": 1, "feat_channels": 8, **options}
    head = RetinaHead(num_classes, 4, **options)
    head.init_weights()
    return head


def features(batch=1, size=128, channels=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn(batch, channels, max(size // s, 1), max(size // s, 1), generator=generator)
        for s in STRIDES
    )


# Prior.


def test_bias_is_the_papers_prior():
    bias = small_head().retina_cls.bias
    torch.testing.assert_close(bias, torch.full_like(bias, -4.59512), rtol=0, atol=1e-5)
    torch.testing.assert_close(bias.sigmoid(), torch.full_like(bias, 0.01))
    assert (small_head(prior_prob=0.5).retina_cls.bias == 0).all()


def test_subnets_are_normal_with_zero_biases():
    head = small_head(feat_channels=64)
    for conv in (head.cls_convs[0].conv, head.reg_convs[0].conv, head.retina_reg):
        assert conv.weight.std().item() == pytest.approx(0.01, rel=0.1)
        assert (conv.bias == 0).all()
    assert head.retina_cls.weight.std().item() == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize(
    "init_cfg",
    [
        {"type": "Normal", "layer": "Conv2d", "std": 0.02},
        [{"type": "Xavier", "layer": "Conv2d"}],
        None,
    ],
)
def test_prior_survives_a_users_init_cfg_and_says_so(init_cfg, logged):
    head = small_head(init_cfg=init_cfg)
    assert head.retina_cls.bias[0].item() == pytest.approx(PI_BIAS)
    assert "would have left the classification bias" in logged.text


def test_default_and_equivalent_init_cfg_say_nothing(logged):
    stock = {
        "type": "Normal",
        "layer": "Conv2d",
        "std": 0.01,
        "override": {"type": "Normal", "name": "retina_cls", "std": 0.01, "bias_prob": 0.01},
    }
    small_head()
    small_head(init_cfg=stock)
    assert "would have left" not in logged.text


@pytest.mark.parametrize("kind", ["Pretrained", "mmengine.Pretrained", PretrainedInit])
def test_weights_from_a_checkpoint_keep_their_bias(tmp_path, kind):
    trained = small_head()
    torch.nn.init.constant_(trained.retina_cls.bias, 0.7)
    torch.save(trained.state_dict(), tmp_path / "head.pth")
    head = small_head(init_cfg={"type": kind, "checkpoint": str(tmp_path / "head.pth")})
    assert (head.retina_cls.bias == 0.7).all()


def test_initialising_again_does_not_undo_training():
    head = small_head()
    torch.nn.init.constant_(head.retina_cls.bias, 0.7)
    head.init_weights()
    assert (head.retina_cls.bias == 0.7).all()


def test_softmax_prior_makes_all_classes_together_pi():
    loss = {"type": "mmdet.CrossEntropyLoss", "use_sigmoid": False}
    head = small_head(num_classes=7, loss_cls=loss)
    bias = head.retina_cls.bias.view(9, 8)
    torch.testing.assert_close(bias.softmax(-1)[:, :-1].sum(-1), torch.full((9,), 0.01))


# Shapes.


@pytest.mark.parametrize("num_classes", [1, 80])
def test_forward_gives_logits_and_deltas_of_every_level(num_classes):
    logits, deltas = small_head(num_classes)(features(batch=2))
    counts = [(128 // s) ** 2 * 9 for s in STRIDES]
    assert [tuple(level.shape) for level in logits] == [(2, r, num_classes) for r in counts]
    assert [tuple(level.shape) for level in deltas] == [(2, r, 4) for r in counts]


def test_permutation_keeps_anchors_of_a_cell_together():
    """Channel a * K + k at row h, column w goes to anchor (h * W + w) * A + a, class k."""
    output = torch.arange(2 * 6 * 2 * 3).view(2, 6, 2, 3)
    got = permute_to_N_HWA_K(output, 2)
    assert got.shape == (2, 2 * 3 * 3, 2)
    n, h, w, a, k = 1, 1, 2, 2, 1
    assert got[n, (h * 3 + w) * 3 + a, k] == output[n, a * 2 + k, h, w]


def test_subnets_are_shared_by_levels_and_boxes_are_linear():
    head = small_head()
    feature = features()[0]
    logits, deltas = head((feature, feature))
    assert torch.equal(logits[0], logits[1])
    assert (deltas[0] < 0).any()
    assert (deltas[0] > 0).any()
    assert not set(head.cls_convs.parameters()) & set(head.reg_convs.parameters())


def test_norm_and_depth_are_options():
    head = small_head(stacked_convs=2, norm_cfg={"type": "GN", "num_groups": 2})
    assert head.cls_convs[1].norm_name == "gn"
    assert small_head(stacked_convs=0).retina_cls.in_channels == 4


def test_state_dict_names_are_mmdetections():
    stock = StockHead(
        3,
        4,
        stacked_convs=1,
        feat_channels=8,
        loss_cls=ConfigDict(type="FocalLoss", use_sigmoid=True),
    )
    assert list(small_head().state_dict()) == list(stock.state_dict())
    assert small_head().normaliser.kind == "image"
    extra = set(small_head(normaliser="ema").state_dict()) - set(stock.state_dict())
    assert extra == {"normaliser.running"}


# Losses.


def test_first_loss_is_the_papers_formula(make_sample):
    """Claim I3: 1.128 + 7.54e-7 R K / positives, for three batches."""
    for seed, (num_classes, boxes) in enumerate(
        [
            (80, [[10.0, 10.0, 60.0, 50.0]]),
            (20, [[0.0, 0.0, 100.0, 100.0], [30.0, 40.0, 70.0, 100.0]]),
            (3, [[5.0, 5.0, 40.0, 40.0], [60.0, 60.0, 120.0, 100.0], [0.0, 60.0, 50.0, 128.0]]),
        ]
    ):
        head = small_head(num_classes, normaliser="batch")
        x = features(seed=seed)
        sample = make_sample(boxes, [0] * len(boxes), img_shape=(128, 128))
        loss = head.loss(x, [sample])["loss_cls"].item()
        targets = head.targets(head.grid(x), [sample.gt_instances], [sample.metainfo])
        anchors = targets.used.sum().item()
        formula = 1.128 + 7.54e-7 * anchors * num_classes / targets.positives.item()
        assert loss == pytest.approx(formula, rel=0.05)


def test_image_normaliser_is_the_mean_of_single_images(make_sample):
    head = small_head()
    samples = [
        make_sample([[10.0, 10.0, 60.0, 50.0]], [0], (128, 128)),
        make_sample([], [], (128, 128)),
        make_sample([[0.0, 0.0, 50.0, 90.0], [64.0, 64.0, 99.0, 99.0]], [1, 2], (128, 128)),
    ]
    x = features(batch=3)
    together = head.loss(x, samples)
    alone = [
        head.loss(tuple(f[i : i + 1] for f in x), [sample]) for i, sample in enumerate(samples)
    ]
    for name, value in together.items():
        torch.testing.assert_close(value, torch.stack([single[name] for single in alone]).mean())


@pytest.mark.parametrize("normaliser", ["image", "batch", "global", "ema"])
def test_batch_without_objects_has_a_finite_loss_and_a_gradient_everywhere(normaliser, make_sample):
    head = small_head(normaliser=normaliser)
    losses = head.loss(features(), [make_sample(img_shape=(128, 128))])
    assert losses["loss_bbox"].item() == 0
    assert losses["loss_cls"].isfinite()
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize(
    "loss_cls",
    [
        {"type": "retina_plugin.SigmoidCrossEntropyLoss"},
        {"type": "retina_plugin.SoftmaxFocalLoss", "gamma": 0.0, "alpha": None},
    ],
)
@pytest.mark.parametrize("normaliser", ["image", "batch"])
def test_hard_examples_alone_are_trained_on(balanced, loss_cls, normaliser, make_sample):
    """Both losses are divided by their number, in each image or in the batch."""
    sampler = {"type": "retina_plugin.OHEMSampler", "number": 16, "balanced": balanced}
    head = small_head(loss_cls=loss_cls, normaliser=normaliser, train_cfg={"sampler": sampler})
    samples = [make_sample([[10.0, 10.0, 60.0, 50.0]], [0], (128, 128)), make_sample()]
    x = features(batch=2)
    losses, grid = head.loss(x, samples), head.grid(x)
    logits, deltas = (torch.cat(each, 1) for each in head(x))
    metas = [sample.metainfo for sample in samples]
    targets = head.targets(grid, [sample.gt_instances for sample in samples], metas)
    each = head.loss_cls(logits.flatten(0, 1), targets.labels.flatten(), reduction_override="none")
    each = each.view(2, logits.shape[1], -1).sum(-1)
    used = head.sampler.choose(each.detach(), grid.flat(), targets)
    assert 0 < used[0].sum() <= 16
    of_images, numbers = (each * used).sum(1), used.sum(1)
    expected = {"image": (of_images / numbers).mean(), "batch": of_images.sum() / numbers.sum()}
    torch.testing.assert_close(losses["loss_cls"], expected[normaliser])
    boxes = _box_loss_of(head, deltas, targets, grid, used & targets.is_positive)  # of image 0
    divisor = numbers[0] * 2 if normaliser == "image" else numbers.sum()
    torch.testing.assert_close(losses["loss_bbox"], boxes / divisor)
    sum(losses.values()).backward()
    assert head.retina_cls.weight.grad.isfinite().all()


def _box_loss_of(head, deltas, targets, grid, chosen):
    """Sum of smooth L1 over the chosen anchors (N, R), each against its box."""
    kept = chosen[targets.is_positive]
    anchors = grid.flat().repeat(len(deltas), 1, 1)[chosen]
    wanted = head.bbox_coder.encode(anchors, targets.boxes[kept])
    beta = head.loss_bbox.beta
    return F.smooth_l1_loss(deltas[chosen], wanted, beta=beta, reduction="sum")


@pytest.mark.parametrize("form", ["plain", "windowed", "masked"])
def test_boxes_of_mmdetections_own_type_are_boxes(make_sample, form):
    """As `data_preprocessor.boxtype2tensor=False` leaves them."""
    head, x = small_head(form=form), features()
    sample = make_sample(
        [[10.0, 10.0, 60.0, 50.0]], [1], (128, 128), crowd=[[70.0, 70.0, 90.0, 90.0]]
    )
    expected = head.loss(x, [sample])
    for part in (sample.gt_instances, sample.ignored_instances):
        part.bboxes = HorizontalBoxes(part.bboxes)
    for name, value in head.loss(x, [sample]).items():
        torch.testing.assert_close(value, expected[name])


@pytest.mark.parametrize("decoded", [False, True])
@pytest.mark.parametrize("form", ["plain", "windowed", "masked"])
def test_use_box_type_changes_nothing(make_sample, form, decoded):
    loss = {"type": "GIoULoss" if decoded else "L1Loss"}
    options = {"form": form, "loss_bbox": loss, "reg_decoded_bbox": decoded}
    plain = small_head(**options)
    typed = small_head(
        anchor_generator={**ANCHORS, "use_box_type": True},
        bbox_coder={**BOX_CODER, "use_box_type": True},
        **options,
    )
    typed.load_state_dict(plain.state_dict())
    x, sample = features(), make_sample([[10.0, 10.0, 60.0, 50.0]], [1], (128, 128))
    torch.testing.assert_close(typed.loss(x, [sample]), plain.loss(x, [sample]))
    found, expected = (each.eval().predict(x, [sample])[0] for each in (typed, plain))
    torch.testing.assert_close(found.bboxes, expected.bboxes)


def wrapped(forward, reentrant):
    """As MMEngine's `activation_checkpointing` wraps it."""
    return lambda *inputs: checkpoint(forward, *inputs, use_reentrant=reentrant)


def test_a_forward_pass_of_the_heads_own_is_run(make_sample):
    head, x = small_head(form="windowed"), features()
    sample = make_sample([[10.0, 10.0, 60.0, 50.0]], [1], (128, 128))
    expected = head.loss(x, [sample])
    called = []
    forward = wrapped(head.forward, reentrant=False)
    head.forward = lambda *inputs: called.append(1) or forward(*inputs)
    torch.testing.assert_close(head.loss(x, [sample]), expected)
    assert called == [1]


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad:UserWarning")
def test_a_forward_pass_without_gradients_is_named(make_sample):
    head = small_head()
    head.forward = wrapped(head.forward, reentrant=True)
    sample = make_sample([[10.0, 10.0, 60.0, 50.0]], [1], (128, 128))
    x = tuple(level.requires_grad_() for level in features())
    with pytest.raises(UserError, match=r"'bbox_head.cls_convs.0', instead of 'bbox_head'"):
        head.loss(x, [sample])
    with torch.no_grad():
        head.loss(x, [sample])


@pytest.mark.parametrize("form", ["plain", "windowed", "masked"])
def test_ghm_harmonises_the_deltas_of_the_positives(make_sample, form):
    """MMDetection's loss itself on all anchors, of which the positives alone count."""
    loss_bbox = {"type": "GHMR", "mu": 0.02, "bins": 10, "momentum": 0.7, "loss_weight": 10.0}
    head, x = small_head(form=form, loss_bbox=loss_bbox), features()
    sample = make_sample([[10.0, 10.0, 60.0, 50.0]], [1], (128, 128))
    fresh = small_head(loss_bbox=loss_bbox)
    fresh.load_state_dict(head.state_dict())  # before the loss keeps its momentum
    found = head.loss(x, [sample])["loss_bbox"]
    grid = fresh.grid(x)
    targets = fresh.targets(grid, [sample.gt_instances], [sample.metainfo])
    deltas = torch.cat(fresh(x)[1], 1)
    wanted = torch.zeros_like(deltas)
    wanted[targets.is_positive] = fresh.bbox_coder.encode(
        grid.flat()[targets.is_positive[0]], targets.boxes
    )
    weights = targets.is_positive[..., None].expand_as(deltas).float()
    expected = fresh.loss_bbox(deltas[0], wanted[0], weights[0])
    assert expected > 0
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("loss_cls", "words"),
    [
        ("VarifocalLoss", "VarifocalLoss, which learns the IoU: set train_cfg"),
        ("GHMC", "GHMC, which weighs each anchor by how many are like it: set train_cfg"),
    ],
)
def test_mining_needs_a_loss_of_labels_alone(loss_cls, words):
    sampler = {"type": "retina_plugin.OHEMSampler", "number": 16}
    loss_cls = {"type": loss_cls, "use_sigmoid": True}
    with pytest.raises(UserError, match=words):
        small_head(loss_cls=loss_cls, train_cfg={"sampler": sampler})


def test_degenerate_box_changes_no_loss(make_sample):
    """In stock MMDetection it makes every anchor positive and the box loss infinite."""
    good = [[10.0, 10.0, 60.0, 50.0]]
    x, head = features(), small_head()
    alone = head.loss(x, [make_sample(good, [0], (128, 128))])
    for bad in ([5.0, 5.0, 5.0, 20.0], [math.nan, 0.0, 9.0, 9.0]):
        both = head.loss(x, [make_sample([*good, bad], [0, 1], (128, 128))])
        for name in alone:
            torch.testing.assert_close(both[name], alone[name])


def test_anchors_outside_an_images_own_padding_weigh_nothing(make_sample):
    x, head = features(batch=1), small_head(normaliser="batch")
    box = [[2.0, 2.0, 40.0, 40.0]]
    small = make_sample(box, [0], img_shape=(64, 64), pad_shape=(64, 64))
    targets = head.targets(head.grid(x), [small.gt_instances], [small.metainfo])
    p3 = targets.used[0, : 16 * 16 * 9].view(16, 16, 9)
    assert not p3[8:].any()
    assert not p3[:, 8:].any()


def test_crowd_regions_are_ignored_only_if_asked(make_sample):
    crowd = [[60.0, 60.0, 128.0, 128.0]]
    sample = make_sample([[0.0, 0.0, 40.0, 40.0]], [0], (128, 128), crowd=crowd)
    x, used = features(), []
    for thr in (-1, 0.5):
        head = small_head(
            train_cfg={"assigner": {"type": "retina_plugin.AnchorAssigner", "ignore_iof_thr": thr}}
        )
        given = ([sample.gt_instances], [sample.metainfo], [sample.ignored_instances])
        used.append(head.targets(head.grid(x), *given).used)
    assert (used[0] & ~used[1]).any()
    assert not (used[1] & ~used[0]).any()


def test_label_out_of_range_names_image_and_label(make_sample):
    sample = make_sample([[0.0, 0.0, 40.0, 40.0]], [3], (128, 128), path="dog.png")
    with pytest.raises(ValueError, match="dog.png has the label 3.*num_classes=3"):
        small_head().loss(features(), [sample])


def test_class_specific_boxes_learn_their_own_class_only(make_sample):
    head = small_head(reg_class_agnostic=False)
    assert head.retina_reg.out_channels == 9 * 4 * 3
    sample = make_sample([[10.0, 10.0, 60.0, 50.0]], [1], (128, 128))
    head.loss(features(), [sample])["loss_bbox"].backward()
    grad = head.retina_reg.bias.grad.view(9, 3, 4)
    assert (grad[:, 1] != 0).any()
    assert (grad[:, [0, 2]] == 0).all()
    head.eval()
    assert len(head.predict(features(), [sample])) == 1


def test_half_precision_features_give_float32_losses(make_sample):
    head = small_head().bfloat16()
    sample = make_sample([[10.0, 10.0, 60.0, 50.0]], [1], (128, 128))
    x = tuple(f.bfloat16() for f in features())
    losses = head.loss(x, [sample])
    assert {value.dtype for value in losses.values()} == {torch.float32}
    assert head.predict(x, [sample])[0].scores.dtype == torch.float32


# Detections.


def confident_head(**options):
    head = small_head(**options).eval()
    for conv in (head.cls_convs[0].conv, head.retina_cls, head.reg_convs[0].conv):
        torch.nn.init.normal_(conv.weight, std=0.3)
    torch.nn.init.constant_(head.retina_cls.bias, -2)
    return head


@torch.no_grad()
def test_batch_is_predicted_as_its_single_images(make_sample):
    head, x = confident_head(), features(batch=2)
    samples = [make_sample(img_shape=(128, 128)), make_sample(img_shape=(100, 90))]
    together = head.predict(x, samples)
    for i, sample in enumerate(samples):
        alone = head.predict(tuple(f[i : i + 1] for f in x), [sample])[0]
        torch.testing.assert_close(together[i].scores, alone.scores)
        torch.testing.assert_close(together[i].bboxes, alone.bboxes, rtol=1e-4, atol=1e-3)


@torch.no_grad()
def test_detections_keep_to_settings_and_image(make_sample):
    head = confident_head(test_cfg={"score_thr": 0.3, "max_per_img": 20})
    result = head.predict(features(), [make_sample(img_shape=(100, 90))])[0]
    assert 0 < len(result.scores) <= 20
    assert (result.scores > 0.3).all()
    assert (result.scores.diff() <= 0).all()
    assert (result.bboxes >= 0).all()
    assert (result.bboxes[:, 2] <= 90).all()
    assert (result.bboxes[:, 3] <= 100).all()
    assert result.labels.max() < 3


@torch.no_grad()
def test_softmax_scores_leave_out_background(make_sample):
    loss = {"type": "mmdet.CrossEntropyLoss", "use_sigmoid": False}
    head = confident_head(loss_cls=loss)
    result = head.predict(features(), [make_sample(img_shape=(128, 128))])[0]
    assert len(result.scores) > 0
    assert result.labels.max() < 3


def test_loss_and_predict_equals_both(make_sample):
    head, x = confident_head(), features()
    sample = make_sample([[10.0, 10.0, 60.0, 50.0]], [1], (128, 128))
    losses, results = head.loss_and_predict(x, [sample])
    expected = head.loss(x, [sample])
    assert losses["loss_cls"] == expected["loss_cls"]
    # Boxes on tiles and on whole maps may add up in another order.
    torch.testing.assert_close(losses, expected, rtol=1e-6, atol=0)
    assert torch.equal(results[0].scores, head.predict(x, [sample])[0].scores)
    few = head.loss_and_predict(x, [sample], ConfigDict(max_per_img=2))[1]
    assert len(few[0].scores) == 2


# Settings.


def test_defaults_are_the_papers():
    head = RetinaHead(80, 256)
    assert isinstance(head.loss_cls, FocalLoss)
    assert (head.loss_cls.gamma, head.loss_cls.alpha) == (2.0, 0.25)
    assert head.loss_bbox.beta == pytest.approx(1 / 9)
    assert len(head.cls_convs) == len(head.reg_convs) == 4
    assert head.retina_cls.out_channels == 720
    assert head.retina_reg.out_channels == 36
    assert head.normaliser.kind == "image"


@pytest.mark.parametrize(
    "options",
    [
        *({"num_classes": 0}, {"num_classes": "3"}, {"prior_prob": 0.0}, {"prior_prob": 1.0}),
        *({"stacked_convs": -1}, {"in_channels": [4]}, {"feat_channels": 2.5}),
    ],
)
def test_number_out_of_range_is_an_error(options):
    (key,) = options
    with pytest.raises(ValueError, match=f"RetinaHead expects {key} to be a"):
        RetinaHead(**{"num_classes": 3, "in_channels": 4, **options})
