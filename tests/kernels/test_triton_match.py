"""The assignment's Triton kernels, in Triton's interpreter, against the plain form."""

import pytest
import torch
from torch.nn.utils.rnn import pad_sequence

from retina_plugin import label_anchors
from retina_plugin.matching import PAPER_RULE, MatchRule

KINDS = ("usual", "tiny", "huge", "whole", "thin", "equal", "outside", "broken", "mixed")
RULES = [
    PAPER_RULE,
    MatchRule(match_low_quality=False),
    MatchRule(min_pos_iou=0.3),
    MatchRule(pos_iou_thr=0.7, neg_iou_thr=(0.1, 0.3)),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("partly", [False, True])
@pytest.mark.usefixtures("interpreted")
def test_codes_equal_the_plain_form(make_grid, make_boxes, kind, rule, partly):
    from retina_plugin.kernels.triton_match import label_padded

    generator = torch.Generator().manual_seed(len(kind))
    anchors = make_grid(64, 64).flat()
    boxes = [make_boxes(kind, 5, 64, 64, generator), torch.zeros(0, 4)]
    valid = torch.rand(2, len(anchors), generator=generator) > 0.3 if partly else None
    padded = pad_sequence(boxes, batch_first=True, padding_value=torch.nan)
    codes = label_padded(anchors, padded, rule, valid)
    assert torch.equal(codes, label_anchors(anchors, boxes, rule, None, valid))


@pytest.mark.usefixtures("interpreted")
def test_batch_without_any_box_is_background(make_grid):
    from retina_plugin.kernels.triton_match import label_padded

    anchors = make_grid(32, 32).flat()
    codes = label_padded(anchors, torch.zeros(2, 0, 4), PAPER_RULE)
    assert torch.equal(codes, label_anchors(anchors, [torch.zeros(0, 4)] * 2, PAPER_RULE))


@pytest.mark.usefixtures("interpreted")
def test_kernels_run_on_the_device_of_the_anchors(make_grid, launches):
    from retina_plugin.kernels import triton_match

    launched = launches(triton_match, "_best_kernel", "_code_kernel")
    triton_match.label_padded(make_grid(32, 32).flat(), torch.zeros(2, 1, 4), PAPER_RULE)
    assert launched == [True, True]
