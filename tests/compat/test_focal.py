import pytest
import torch
from torch.nn.functional import one_hot

from retina_plugin.compat.focal import sigmoid_focal_loss_backward, sigmoid_focal_loss_forward


def reference(x, target, weight, gamma, alpha):
    """Equation 5 of the paper, as it is written."""
    positive = one_hot(target, x.size(1) + 1)[:, :-1].bool()
    p = torch.sigmoid(x)
    p_t, alpha_t = torch.where(positive, p, 1 - p), torch.where(positive, alpha, 1 - alpha)
    loss = -alpha_t * (1 - p_t) ** gamma * torch.log(p_t)
    return loss if weight is None else loss * weight[target][:, None]


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_value_and_gradient_are_those_of_the_formula(gamma, weighted):
    x = (torch.randn(20, 4, dtype=torch.float64) * 4).requires_grad_()
    target = torch.randint(0, 4 if weighted else 5, (20,))
    weight = torch.rand(4, dtype=torch.float64) if weighted else None
    expected = reference(x, target, weight, gamma, 0.25)
    (grad,) = torch.autograd.grad(expected.sum(), x)
    output, grad_input = torch.zeros_like(x), torch.zeros_like(x)
    given = x.detach(), target, torch.empty(0) if weight is None else weight
    with torch.no_grad():
        sigmoid_focal_loss_forward(*given, output, gamma=gamma, alpha=0.25)
        sigmoid_focal_loss_backward(*given, grad_input, gamma=gamma, alpha=0.25)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(grad_input, grad)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_the_rounded_float32(dtype):
    x, target = (torch.randn(9, 3) * 5).to(dtype), torch.tensor([0, 1, 2] * 3)
    for operator in (sigmoid_focal_loss_forward, sigmoid_focal_loss_backward):
        half, full = torch.zeros(9, 3, dtype=dtype), torch.zeros(9, 3)
        operator(x, target, torch.empty(0), half, gamma=2.0, alpha=0.25)
        operator(x.float(), target, torch.empty(0), full, gamma=2.0, alpha=0.25)
        assert torch.equal(half, full.to(dtype))


def test_huge_logits_give_finite_values():
    x, target = torch.tensor([[1e4, -1e4], [-1e4, 1e4]]), torch.tensor([0, 0])
    for operator in (sigmoid_focal_loss_forward, sigmoid_focal_loss_backward):
        output = torch.zeros(2, 2)
        operator(x, target, torch.empty(0), output, gamma=2.0, alpha=0.25)
        assert output.isfinite().all()
