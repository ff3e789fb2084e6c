"""Focal loss and gradient at logits that overflow a careless formula."""

from collections.abc import Callable, Iterator
from itertools import product

import torch
from mmdet.models.losses import FocalLoss as StockFocalLoss
from torch import Tensor

from ..losses.focal import FocalLoss
from .row import Outcome, Row, tally

LOGIT = {torch.float32: 6e4, torch.bfloat16: 6e4, torch.float16: 1e4}
GAMMAS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0)
FORMS = ("plain", "blocked", "auto")
ALPHA = 0.25

Loss = Callable[[Tensor, Tensor], Tensor]


def extreme_logits(dtype: torch.dtype) -> Tensor:
    """Logits (R, 2) from one end of the range to the other, 0 and the middle among them."""
    powers = torch.logspace(-6, torch.tensor(LOGIT[dtype]).log10().item(), 200)
    powers = powers.clamp(max=LOGIT[dtype])
    return torch.stack([torch.cat([-powers, powers]), torch.cat([powers, -powers])], 1).to(dtype)


def _trial(loss: Loss, dtype: torch.dtype, labels: int, where: str) -> str | None:
    logits = extreme_logits(dtype).requires_grad_()
    value = loss(logits, torch.full((len(logits),), labels))
    value.float().sum().backward()
    assert logits.grad is not None
    finite = {"loss": value, "gradient": logits.grad}
    wrong = [name for name, values in finite.items() if not values.isfinite().all()]
    return f"{where}: {' and '.join(wrong)} not finite" if wrong else None


def _ours(trials: int) -> Outcome:
    return tally(_results(trials, FORMS, lambda **options: FocalLoss(**options)))


def _stock(trials: int) -> Outcome:
    def make(form: str, **options: object) -> StockFocalLoss:  # noqa: ARG001 (stock has one)
        return StockFocalLoss(use_sigmoid=True, **options)

    return tally(_results(trials, ("stock",), make))


def _results(trials: int, forms: tuple[str, ...], make: Callable) -> Iterator[str | None]:
    cases = list(product(forms, LOGIT, GAMMAS, range(3)))
    for form, dtype, gamma, labels in cases[:trials]:
        loss = make(form=form, gamma=gamma, alpha=ALPHA, reduction="sum")
        yield _trial(loss, dtype, labels, f"{form}, {dtype}, gamma {gamma}, label {labels}")


ROWS = (
    Row(
        "N1",
        "logits up to 60,000: loss and gradient are finite",
        _ours,
        trials=216,
        quick=216,
        stock=_stock,
        stock_trials=72,
    ),
)
