import pytest
import torch

from retina_plugin import focal_loss
from retina_plugin.analysis.figures.loss_distribution import (
    Examples,
    cumulative,
    examples_of,
    share_of_hardest,
)


@pytest.fixture
def sample():
    """Logits of 500 anchors and 3 classes, a few of them objects, some ignored."""
    labels = torch.where(torch.rand(500) < 0.1, torch.randint(0, 3, (500,)), 3)
    return torch.randn(500, 3) * 3, labels, torch.rand(500) < 0.9


@pytest.mark.parametrize("gamma", [0.0, 2.0])
@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("kind", ["foreground", "background"])
def test_share_of_the_hardest_is_that_of_sorted_losses(sample, gamma, fraction, kind):
    logits, labels, used = sample
    found = Examples.none()
    found.add(*sample)
    each = focal_loss(logits.double(), labels, gamma, None)
    positive = labels[:, None] == torch.arange(3)
    chosen = (positive if kind == "foreground" else ~positive) & used[:, None]
    losses = each[chosen].sort(descending=True).values
    count = fraction * len(losses)
    whole = int(count)
    expected = (losses[:whole].sum() + (count - whole) * losses[whole]) / losses.sum()
    got = share_of_hardest(getattr(found, kind), gamma, fraction)
    assert got == pytest.approx(expected.item(), abs=2e-3)


def test_every_pair_is_counted_once(sample):
    logits, labels, used = sample
    found = Examples.none()
    found.add(logits * 100, labels, used)  # beyond the ends too
    assert found.foreground.sum() == ((labels < 3) & used).sum()
    assert found.foreground.sum() + found.background.sum() == 3 * used.sum()


def test_shares_rise_from_nothing_to_all(sample):
    found = Examples.none()
    found.add(*sample)
    for shares in cumulative(found.background, 2.0):
        assert (shares.diff() >= 0).all()
        assert shares[-1].item() == pytest.approx(1.0)


def test_focusing_moves_the_loss_to_hard_negatives(sample):
    found = Examples.none()
    found.add(*sample)
    shares = [share_of_hardest(found.background, gamma, 0.05) for gamma in (0.0, 0.5, 1.0, 2.0)]
    assert shares == sorted(shares)


def test_examples_of_a_model_are_its_anchors(make_model, tiny_config, make_sample):
    cfg = tiny_config()
    model = make_model(cfg.model).eval()
    data = [make_sample([[5.0, 5.0, 40.0, 40.0]], [1])]
    batch = {"inputs": [torch.zeros(3, 64, 64, dtype=torch.uint8)], "data_samples": data}
    found = examples_of(model, [batch, batch])
    anchors = 9 * sum(side * side for side in (8, 4, 2, 1, 1))
    total = found.foreground.sum() + found.background.sum()
    assert 0 < total <= 2 * anchors * cfg.model.bbox_head.num_classes
    assert found.foreground.sum() > 0
