"""The focal loss against the paper's formulas, float64, MMDetection and finite differences."""

import math

import numpy as np
import pytest
import torch
from mmdet.models.losses import FocalLoss as MMDetFocalLoss
from torch.autograd import gradcheck

from retina_plugin import FocalLoss, focal_loss

GAMMAS = [0.0, 0.5, 1.0, 2.0, 5.0]


def reference(logits, targets, gamma, alpha):
    """The paper's formula in numpy float64, for targets (M, K) of 0 and 1."""
    x, y = np.asarray(logits, np.float64), np.asarray(targets, bool)
    x_t = np.where(y, x, -x)
    log_p_t, log_miss = -np.logaddexp(0, -x_t), -np.logaddexp(0, x_t)
    alpha_t = 1.0 if alpha is None else np.where(y, alpha, 1 - np.asarray(alpha))
    return -alpha_t * np.exp(gamma * log_miss) * log_p_t


def batch(rows=64, classes=5, scale=4.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, classes, generator=generator) * scale
    labels = torch.randint(0, classes + 1, (rows,), generator=generator)
    return logits, labels, torch.nn.functional.one_hot(labels, classes + 1)[:, :classes]


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("alpha", [None, 0.25, 0.75, [0.1, 0.2, 0.3, 0.4, 0.5]])
def test_equals_the_formula_in_float64(gamma, alpha):
    logits, labels, one_hot = batch()
    expected = reference(logits, one_hot, gamma, alpha)
    got = focal_loss(logits.double(), labels, gamma, alpha)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12, atol=1e-300)
    single = focal_loss(logits, labels, gamma, alpha).double().sum()
    assert single.item() == pytest.approx(expected.sum(), rel=1e-6)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_labels_one_hot_and_soft_forms_agree(gamma):
    logits, labels, one_hot = batch()
    by_label = focal_loss(logits.double(), labels, gamma)
    by_target = focal_loss(logits.double(), one_hot, gamma)
    torch.testing.assert_close(by_target, by_label, rtol=1e-12, atol=1e-15)


def test_soft_targets_interpolate_as_in_mmdetection():
    logits, _, _ = batch()
    soft = torch.rand(logits.shape, generator=torch.Generator().manual_seed(1))
    expected = MMDetFocalLoss()(logits, soft, reduction_override="none")
    torch.testing.assert_close(focal_loss(logits, soft), expected)


def formula_of_soft_targets(logits, targets, gamma, alpha):
    """MMDetection's, in the type that it is given."""
    p = logits.sigmoid()
    miss = p * (1 - targets) + (-logits).sigmoid() * targets
    weight = alpha * targets + (1 - alpha) * (1 - targets)
    ce = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return weight * miss**gamma * ce


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradient_of_soft_targets_is_the_formulas_at_0_and_1_too(gamma, dtype):
    logits = torch.linspace(-12, 12, 25, dtype=dtype)[:, None].expand(25, 6)
    targets = torch.tensor([0.0, 1.0, 0.3, 1e-35, 1e-6, 1 - 1e-6], dtype=dtype).expand(25, 6)
    slopes = []
    for function, kind in ((focal_loss, dtype), (formula_of_soft_targets, torch.float64)):
        x, y = (each.to(kind, copy=True).requires_grad_() for each in (logits, targets))
        function(x, y, gamma, 0.25).sum().backward()
        slopes.append((x.grad.double(), y.grad.double()))
    rtol, atol = (1e-5, 1e-6) if dtype == torch.float32 else (1e-9, 1e-12)
    torch.testing.assert_close(slopes[0], slopes[1], rtol=rtol, atol=atol)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("target", [0.0, 1.0, 0.5])
def test_gradient_of_soft_targets_is_finite_for_every_logit(gamma, target):
    row = torch.tensor([0, 1e-3, 1, 10, 17, 50, 88, 95, 104, 750, 6e4])
    x = torch.cat([row, -row])[:, None].requires_grad_()
    y = torch.full(x.shape, target, requires_grad=True)
    focal_loss(x, y, gamma).sum().backward()
    assert x.grad.isfinite().all()
    assert y.grad.isfinite().all()


@pytest.mark.parametrize("excess", [1.0000001, -1e-9])
def test_soft_targets_are_clamped_where_rounding_took_them_beyond(excess):
    logits = torch.tensor([[1.5, -2.0]])
    got = FocalLoss()(logits, torch.full((1, 2), excess))
    torch.testing.assert_close(got, FocalLoss()(logits, torch.full((1, 2), float(excess > 0.5))))


@pytest.mark.parametrize("target", [torch.full((3, 5), 1.5), torch.full((3, 5), -1)])
def test_soft_target_out_of_range_is_named(target):
    value = f"{target[0, 0].item():g}"
    with pytest.raises(ValueError, match=rf"to lie in \[0, 1\], but got {value}; give class"):
        FocalLoss()(torch.zeros(3, 5), target)


def test_gamma_zero_without_alpha_is_cross_entropy():
    logits, labels, one_hot = batch()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, one_hot.float(), reduction="none"
    )
    torch.testing.assert_close(focal_loss(logits, labels, 0.0, None), expected)


@pytest.mark.parametrize(("p_t", "ratio"), [(0.9, 100.0), (0.968, 976.5625), (0.5, 4.0)])
def test_easy_examples_lose_what_the_paper_says(p_t, ratio):
    x = torch.tensor([[math.log(p_t / (1 - p_t))]], dtype=torch.float64)
    label = torch.tensor([0])
    ce = focal_loss(x, label, 0.0, None)
    fl = focal_loss(x, label, 2.0, None)
    assert (ce / fl).item() == pytest.approx(ratio, rel=1e-9)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
@pytest.mark.parametrize("positive", [True, False])
def test_derivative_is_the_appendix_formula(gamma, positive):
    """dFL/dx = y (1 - p_t)^gamma (gamma p_t log p_t + p_t - 1)."""
    x = torch.linspace(-8, 8, 33, dtype=torch.float64)[:, None].requires_grad_()
    labels = torch.full((33,), 0 if positive else 1)
    focal_loss(x, labels, gamma, None).sum().backward()
    y = 1.0 if positive else -1.0
    p_t = torch.sigmoid(y * x.detach())
    expected = y * (1 - p_t) ** gamma * (gamma * p_t * p_t.log() + p_t - 1)
    torch.testing.assert_close(x.grad, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("soft", [False, True])
def test_gradient_passes_gradcheck(gamma, soft):
    logits, labels, _ = batch(rows=6, classes=3)
    targets = torch.rand(6, 3, generator=torch.Generator().manual_seed(2)) if soft else labels
    logits = logits.double().requires_grad_()
    assert gradcheck(lambda x: focal_loss(x, targets, gamma, 0.25), (logits,))


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize(
    ("dtype", "limit"),
    [(torch.float32, 6e4), (torch.bfloat16, 6e4), (torch.float16, 1e4), (torch.float64, 6e4)],
)
@pytest.mark.parametrize("form", ["labels", "one_hot", "soft"])
def test_finite_for_every_finite_logit(gamma, dtype, limit, form):
    row = torch.tensor([0, 1e-3, 1, 10, 17, 88, 104, 750, 1e4, limit])
    x = torch.cat([row, -row])[:, None].to(dtype).requires_grad_()
    for label in (0, 1):
        labels = torch.full((len(x),), label)
        value = {"labels": label, "one_hot": 1.0 - label, "soft": 0.3 + 0.4 * label}[form]
        targets = labels if form == "labels" else torch.full(x.shape, value)
        loss = focal_loss(x, targets, gamma)
        (grad,) = torch.autograd.grad(loss.sum(), x)
        assert loss.isfinite().all()
        assert grad.isfinite().all()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 1e-5), (torch.float16, 1e-5)])
def test_half_precision_input_is_computed_in_float32(dtype, tolerance):
    logits, labels, one_hot = batch(rows=500)
    logits = logits.to(dtype)
    loss = focal_loss(logits, labels)
    assert loss.dtype == torch.float32
    expected = reference(logits.double(), one_hot, 2.0, 0.25).sum()
    assert loss.sum().item() == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("scale", [1.0, 4.0, 30.0])
@pytest.mark.parametrize("gamma", GAMMAS)
def test_float32_gradient_is_exact_to_a_millionth(gamma, scale):
    logits, labels, _ = batch(rows=500, scale=scale)
    grads = []
    for dtype in (torch.float32, torch.float64):
        x = logits.detach().to(dtype).requires_grad_()
        focal_loss(x, labels, gamma).sum().backward()
        grads.append(x.grad.double())
    assert ((grads[0] - grads[1]).norm() / grads[1].norm()).item() <= 1e-6


def test_easy_negatives_do_not_vanish_in_bfloat16():
    """At x = -4.6 stock MMDetection's loss rounds 7.5e-7 to 0 in pure bfloat16."""
    x = torch.full((1, 1), -4.6, dtype=torch.bfloat16)
    assert focal_loss(x, torch.tensor([1])).item() > 7e-7


@pytest.mark.parametrize("weight", [None, "anchor", "class", "flat"])
@pytest.mark.parametrize("avg_factor", [None, 7.0, torch.tensor(7.0)])
def test_module_equals_mmdetection(weight, avg_factor):
    logits, labels, _ = batch()
    generator = torch.Generator().manual_seed(3)
    weights = {
        None: None,
        "anchor": torch.rand(64, generator=generator),
        "class": torch.rand(64, 5, generator=generator),
        "flat": torch.rand(320, generator=generator),
    }[weight]
    ours, stock = FocalLoss(loss_weight=2.0), MMDetFocalLoss(loss_weight=2.0)
    for reduction in (None, "none"):
        got = ours(logits, labels, weights, avg_factor, reduction)
        torch.testing.assert_close(got, stock(logits, labels, weights, avg_factor, reduction))
    if avg_factor is None:
        got = ours(logits, labels, weights, None, "sum")
        torch.testing.assert_close(got, stock(logits, labels, weights, None, "sum"))


def test_module_takes_probabilities_when_activated():
    logits, labels, _ = batch()
    got = FocalLoss(activated=True)(logits.sigmoid(), labels)
    torch.testing.assert_close(got, FocalLoss()(logits, labels), rtol=1e-4, atol=1e-6)
    edges = FocalLoss(activated=True)(torch.tensor([[0.0], [1.0]]), torch.tensor([0, 1]))
    assert edges.isfinite()


@pytest.mark.parametrize("ends", [torch.finfo(torch.float32).tiny, 1 - 2**-24])
@pytest.mark.parametrize("label", [0, 1])
def test_gradient_of_the_least_and_the_greatest_probability_is_the_formulas(ends, label):
    p = torch.tensor([[ends]], requires_grad=True)
    FocalLoss(activated=True, alpha=None)(p, torch.tensor([label])).backward()
    exact = torch.tensor([[ends]], dtype=torch.float64, requires_grad=True)
    p_t, log_p_t = (exact, exact.log()) if label == 0 else (1 - exact, torch.log1p(-exact))
    (-((1 - p_t) ** 2) * log_p_t).sum().backward()
    torch.testing.assert_close(p.grad, exact.grad.float(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("label", [-1, 6, 91])
def test_label_out_of_range_is_named(label):
    logits, labels, _ = batch()
    labels[3] = label
    with pytest.raises(ValueError, match=rf"0\.\.4, or be 5 for background, but got {label}"):
        FocalLoss()(logits, labels)


def test_background_label_counts_as_negative_of_every_class():
    logits = torch.tensor([[0.3, -1.2]])
    background = focal_loss(logits, torch.tensor([2]))
    torch.testing.assert_close(background, focal_loss(logits, torch.zeros(1, 2)))


def test_one_class_works():
    loss = FocalLoss()(torch.tensor([[0.0], [0.0]]), torch.tensor([0, 1]), avg_factor=1)
    # .25 * .25 * log 2 on the positive, .75 * .25 * log 2 on the negative
    assert loss.item() == pytest.approx(0.25 * math.log(2))


@pytest.mark.parametrize("avg_factor", [None, 0, torch.tensor(0.0)])
def test_no_anchors_give_zero_with_a_gradient(avg_factor):
    logits = torch.zeros(0, 5, requires_grad=True)
    loss = FocalLoss()(logits, torch.zeros(0, dtype=torch.long), avg_factor=avg_factor)
    loss.backward()
    assert loss.item() == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"use_sigmoid": False}, "use_sigmoid=True"),
        ({"gamma": -1}, "gamma to be a number >= 0, but got -1"),
        ({"gamma": float("nan")}, "gamma to be a number >= 0, but got nan"),
        ({"gamma": "2"}, "gamma to be a number >= 0, but got '2'"),
        ({"loss_weight": None}, "loss_weight to be a number >= 0"),
        ({"alpha": 1.5}, r"every alpha to be a number in \[0, 1\], but got 1.5"),
        ({"alpha": [0.2, 2.0]}, r"every alpha .* but got 2.0"),
        ({"alpha": "0.25"}, "every alpha .* but got '0.25'"),
        ({"reduction": "avg"}, "reduction must be one of"),
    ],
)
def test_argument_out_of_range_is_an_error(arguments, words):
    with pytest.raises(ValueError, match=words):
        FocalLoss(**arguments)


def test_alpha_of_another_number_of_classes_is_an_error():
    logits, labels, _ = batch()
    with pytest.raises(ValueError, match="one alpha a class, 5 in all, but got 2"):
        FocalLoss(alpha=[0.1, 0.2])(logits, labels)


@pytest.mark.parametrize("target", [torch.zeros(3), torch.zeros(3, 2, dtype=torch.long)])
def test_target_of_another_shape_is_an_error(target):
    with pytest.raises(ValueError, match="integer labels of shape"):
        FocalLoss()(torch.zeros(3, 5), target)


def test_repr_names_the_papers_numbers():
    assert "gamma=2.0, alpha=0.25" in repr(FocalLoss())
