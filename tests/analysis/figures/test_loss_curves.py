import pytest
import torch

from retina_plugin.analysis.figures.loss_curves import (
    FIGURE_5,
    losses_over_p_t,
    losses_over_x_t,
    slopes_over_x_t,
)

X = torch.linspace(-6, 6, 25, dtype=torch.float64)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_figure_1_is_the_papers_formula(gamma):
    p_t = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
    expected = -((1 - p_t) ** gamma) * p_t.log()
    torch.testing.assert_close(losses_over_p_t(p_t, gamma), expected)


@pytest.mark.parametrize(("name", "gamma", "beta"), FIGURE_5)
def test_slopes_are_those_of_the_losses(name, gamma, beta):
    x = X.clone().requires_grad_()
    losses_over_x_t(x, gamma, beta).sum().backward()
    torch.testing.assert_close(slopes_over_x_t(X, gamma, beta), x.grad, rtol=1e-10, atol=1e-12)
