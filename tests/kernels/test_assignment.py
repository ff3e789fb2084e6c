"""Which form assigns, and what happens where it cannot."""

import pytest
import torch

from retina_plugin.compat.torch_features import OutOfMemoryError
from retina_plugin.kernels import assignment
from retina_plugin.kernels.assignment import fast_codes
from retina_plugin.kernels.fallback import warn_once
from retina_plugin.matching import PAPER_RULE, MatchRule, label_anchors

BOXES = [torch.tensor([[4.0, 4.0, 40.0, 44.0]]), torch.zeros(0, 4)]
REGIONS = [torch.tensor([[20.0, 20.0, 60.0, 60.0]]), None]


@pytest.mark.parametrize("form", ["windowed", "masked"])
def test_fast_forms_give_the_plain_codes(make_grid, form, request):
    if form == "masked":
        request.getfixturevalue("interpreted")
    grid = make_grid(64, 64)
    codes = fast_codes(grid, BOXES, PAPER_RULE, [None, None], None, form)
    assert torch.equal(codes, label_anchors(grid.flat(), BOXES, PAPER_RULE))


@pytest.mark.parametrize("form", ["plain", "windowed", "masked"])
def test_ignore_regions_are_left_to_the_plain_form(make_grid, form):
    rule = MatchRule(ignore_iof_thr=0.5)
    given = make_grid(64, 64), BOXES, rule
    assert fast_codes(*given, REGIONS, None, form) is None
    if form == "windowed":
        assert fast_codes(*given, [None, None], None, form) is not None


def test_anchors_that_are_no_grid_are_left_to_the_plain_form(make_grid):
    grid = make_grid(64, 64)
    grid.levels[0][100:] += 3
    assert not grid.is_regular
    assert fast_codes(grid, BOXES, PAPER_RULE, [None, None], None, "windowed") is None


def test_without_triton_the_plain_form_takes_over_and_says_so(make_grid, logged):
    warn_once.cache_clear()
    for _ in range(2):
        given = make_grid(64, 64), BOXES, PAPER_RULE, [None, None], None
        assert fast_codes(*given, "masked") is None
    assert logged.text.count("assigned by the plain form, image after image: Triton works") == 1


def test_accelerator_out_of_memory_takes_the_plain_form(make_grid, logged, monkeypatch):
    def full(device_type):
        raise OutOfMemoryError("2 GB asked for")

    warn_once.cache_clear()
    monkeypatch.setattr(assignment, "triton_match", full)
    given = make_grid(64, 64), BOXES, PAPER_RULE, [None, None], None
    assert fast_codes(*given, "masked") is None
    assert "plain form, image after image: 2 GB asked for" in logged.text
