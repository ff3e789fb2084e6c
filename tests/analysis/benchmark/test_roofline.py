"""The limits are those of the bytes and products that a stage cannot do without."""

import pytest

from retina_plugin.analysis.benchmark.roofline import Limits, least_seconds
from retina_plugin.analysis.benchmark.setting import Setting

UNIT = Limits(bytes_per_second=1.0, flop_per_second=1.0)


def test_loss_reads_its_logits_and_writes_its_gradient():
    assert least_seconds("loss", Setting(), UNIT) == 2 * 201_600 * 80 * 4


def test_assignment_reads_anchors_and_writes_codes():
    assert least_seconds("assignment", Setting(), UNIT) == 201_600 * 24
    assert least_seconds("assigner", Setting(), UNIT) == 201_600 * 36  # with labels and overlaps


def test_flop_of_a_step_are_about_three_forward_passes():
    """Frozen layers and the first gradient are left out."""
    small = Setting(height=64, width=64, classes=3, depth=18)
    train, inference = (least_seconds(stage, small, UNIT) for stage in ("train", "inference"))
    assert 2.4 * inference < train < 3 * inference


@pytest.mark.slow
def test_paper_sized_inference_is_the_published_count():
    """239 GMAC at 1280 x 800 (MMDetection's documentation): 478 GFLOP."""
    flop = least_seconds("inference", Setting(height=800, width=1280), UNIT)
    assert flop == pytest.approx(478e9, rel=0.01)


def test_evaluation_has_no_such_limit():
    assert least_seconds("evaluation", Setting(), UNIT) is None
