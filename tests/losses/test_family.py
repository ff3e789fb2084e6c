"""The paper's other losses: formulas, derivatives, signature, settings."""

import math

import pytest
import torch
from mmdet.models.losses import CrossEntropyLoss as MMDetCrossEntropyLoss
from mmdet.registry import MODELS

import retina_plugin as rp
from retina_plugin.errors import UserError

X = torch.linspace(-8, 8, 65, dtype=torch.float64)
LABELS = torch.tensor([0, 2, 1, 2])  # of 2 classes; 2 is background
LOGITS = torch.tensor([[1.0, -2.0], [0.5, 3.0], [-1.0, 0.0], [4.0, -4.0]])


def slope(loss, positive):
    """Autograd's derivative over the logits `X` of one class."""
    x = X.clone()[:, None].requires_grad_()
    labels = torch.full((len(X),), 0 if positive else 1)
    loss(x, labels).sum().backward()
    return x.grad[:, 0]


def p_t(positive, gamma=1.0, beta=0.0):
    x_t = X if positive else -X
    return 1 / (1 + torch.exp(-(gamma * x_t + beta)))


# Appendix B: dCE, dFL, dFL*.


@pytest.mark.parametrize("positive", [True, False])
def test_derivative_of_cross_entropy(positive):
    y = 1 if positive else -1
    expected = y * (p_t(positive) - 1)
    got = slope(rp.cross_entropy_loss, positive)
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.5, 1.0, 2.0, 5.0])
def test_derivative_of_focal_loss(positive, gamma):
    y, p = 1 if positive else -1, p_t(positive)
    miss = p_t(not positive)
    expected = y * miss**gamma * (gamma * p * p.log() - miss)
    got = slope(lambda x, t: rp.focal_loss(x, t, gamma, None), positive)
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize(("gamma", "beta"), [(2.0, 1.0), (4.0, 0.0), (1.0, 0.0)])
def test_derivative_of_focal_star(positive, gamma, beta):
    y = 1 if positive else -1
    expected = y * (p_t(positive, gamma, beta) - 1)
    got = slope(lambda x, t: rp.focal_star_loss(x, t, gamma, beta), positive)
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-13)


# Values.


def test_cross_entropy_is_pytorchs_and_its_alpha_weighs_both_sides():
    one_hot = torch.nn.functional.one_hot(LABELS, 3)[:, :2].float()
    plain = torch.nn.functional.binary_cross_entropy_with_logits(LOGITS, one_hot, reduction="none")
    torch.testing.assert_close(rp.cross_entropy_loss(LOGITS, LABELS), plain)
    alpha = torch.tensor([0.9, 0.6])
    weights = torch.where(one_hot > 0, alpha, 1 - alpha)
    got = rp.cross_entropy_loss(LOGITS, LABELS, alpha=[0.9, 0.6])
    torch.testing.assert_close(got, plain * weights)


def test_focal_star_is_cross_entropy_where_gamma_is_1_and_beta_0():
    got = rp.focal_star_loss(LOGITS, LABELS, gamma=1.0, beta=0.0)
    torch.testing.assert_close(got, rp.cross_entropy_loss(LOGITS, LABELS))


def test_focal_star_by_hand():
    """x_t = 0: -log(sigmoid(1)) / 2."""
    got = rp.focal_star_loss(torch.zeros(1, 1), torch.tensor([0]))
    assert got.item() == pytest.approx(math.log1p(math.exp(-1)) / 2)


@pytest.mark.parametrize(("p", "expected"), [(0.2, 0.3), (0.5, 0.0), (0.9, 0.0)])
def test_hinge_is_nothing_above_its_threshold(p, expected):
    x = torch.tensor([[math.log(p / (1 - p))]])
    assert rp.hinge_loss(x, torch.tensor([0])).item() == pytest.approx(expected, abs=1e-6)
    assert rp.hinge_loss(-x, torch.tensor([1])).item() == pytest.approx(expected, abs=1e-6)


def test_hinge_learns_nothing_from_what_is_entirely_wrong():
    x = torch.tensor([[-30.0]], requires_grad=True)
    rp.hinge_loss(x, torch.tensor([0])).sum().backward()
    assert abs(x.grad.item()) < 1e-12


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("alpha", [None, 0.25, [0.1, 0.7]])
def test_softmax_focal_loss_is_its_formula(gamma, alpha):
    logits = torch.randn(4, 3, dtype=torch.float64)
    p = logits.softmax(-1)[torch.arange(4), LABELS]
    objects = torch.tensor([0.0, 0.0] if alpha is None else alpha).double().expand(2)
    weights = torch.cat([objects, 1 - objects.mean(0, keepdim=True)])[LABELS]
    expected = -((1 - p) ** gamma) * p.log() * (1 if alpha is None else weights)
    torch.testing.assert_close(rp.softmax_focal_loss(logits, LABELS, gamma, alpha), expected)


def test_softmax_without_gamma_is_mmdetections_cross_entropy():
    logits = torch.randn(4, 3)
    weights = torch.tensor([1.0, 0.5, 0.0, 2.0])
    ours = rp.SoftmaxFocalLoss(gamma=0.0, alpha=None)(logits, LABELS, weights, avg_factor=3.0)
    theirs = MMDetCrossEntropyLoss()(logits, LABELS, weights, avg_factor=3.0)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["FocalStarLoss", "HingeLoss", "SigmoidCrossEntropyLoss"])
def test_extreme_logits_are_finite_in_value_and_slope(name, dtype):
    x = torch.tensor([[1e4, -1e4], [-6e4, 6e4], [0.0, -0.0]], dtype=dtype).requires_grad_()
    loss = MODELS.build({"type": f"retina_plugin.{name}"})(x, torch.tensor([0, 1, 2]))
    loss.backward()
    assert loss.isfinite()
    assert x.grad.isfinite().all()


def test_extreme_logits_of_a_softmax_are_finite_too():
    x = torch.tensor([[1e4, -1e4, 0.0], [-6e4, 6e4, 6e4]], requires_grad=True)
    loss = rp.SoftmaxFocalLoss()(x, torch.tensor([1, 2]))
    loss.backward()
    assert loss.isfinite()
    assert x.grad.isfinite().all()


# Signature of MMDetection's losses.

LOSSES = [rp.SigmoidCrossEntropyLoss, rp.FocalStarLoss, rp.HingeLoss]


@pytest.mark.parametrize("kind", LOSSES)
def test_weights_reductions_and_factors(kind):
    each = kind()(LOGITS, LABELS, reduction_override="none")
    assert each.shape == LOGITS.shape
    weights = torch.tensor([1.0, 0.0, 2.0, 1.0])
    got = kind(loss_weight=3.0)(LOGITS, LABELS, weights, avg_factor=2.0)
    torch.testing.assert_close(got, 3 * (each * weights[:, None]).sum() / 2)
    torch.testing.assert_close(kind(reduction="sum")(LOGITS, LABELS), each.sum())


@pytest.mark.parametrize("kind", LOSSES)
def test_one_hot_targets_are_labels(kind):
    one_hot = torch.nn.functional.one_hot(LABELS, 3)[:, :2]
    torch.testing.assert_close(kind()(LOGITS, one_hot), kind()(LOGITS, LABELS))


@pytest.mark.parametrize("kind", [*LOSSES, rp.SoftmaxFocalLoss])
def test_labels_outside_are_an_error(kind):
    logits = torch.zeros(1, 3 if kind is rp.SoftmaxFocalLoss else 2)
    with pytest.raises(UserError, match=r"labels must lie in 0..1"):
        kind()(logits, torch.tensor([3]))


@pytest.mark.parametrize("kind", [*LOSSES, rp.SoftmaxFocalLoss])
def test_one_alpha_a_class_or_one_for_all(kind):
    logits = torch.zeros(1, 3 if kind is rp.SoftmaxFocalLoss else 2)
    with pytest.raises(UserError, match="one alpha a class, 2 in all, but got 3"):
        kind(alpha=[0.1, 0.2, 0.3])(logits, torch.tensor([0]))


def test_a_softmax_takes_labels_only():
    with pytest.raises(UserError, match=r"integer labels of shape \(1,\), but got .* \(1, 3\)"):
        rp.SoftmaxFocalLoss()(torch.zeros(1, 3), torch.zeros(1, 3))


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        (rp.FocalStarLoss, {"gamma": 0.0}, "gamma to be a number > 0"),
        (rp.FocalStarLoss, {"beta": float("nan")}, "beta to be a finite number"),
        (rp.FocalStarLoss, {"use_sigmoid": False}, "use_sigmoid=True"),
        (rp.HingeLoss, {"threshold": 0.0}, r"threshold to be a number in \(0, 1\]"),
        (rp.HingeLoss, {"alpha": 1.5}, "every alpha to be"),
        (rp.SoftmaxFocalLoss, {"use_sigmoid": True}, "use_sigmoid=False.*_delete_=True"),
        (rp.SoftmaxFocalLoss, {"gamma": -1.0}, "gamma to be a number >= 0"),
        (rp.SigmoidCrossEntropyLoss, {"reduction": "median"}, "reduction must be one of"),
        (rp.SigmoidCrossEntropyLoss, {"gamma": 2.0}, r"no gamma, but got 2.0: .*_delete_=True"),
        (rp.HingeLoss, {"gamma": 2.0}, r"HingeLoss knows no gamma: .*_delete_=True"),
        (rp.FocalLoss, {"beta": 1.0, "threshold": 0.5}, "FocalLoss knows no beta or threshold"),
    ],
)
def test_settings_out_of_range_are_an_error(kind, options, words):
    with pytest.raises(UserError, match=words):
        kind(**options)
