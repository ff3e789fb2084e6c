"""The windowed assignment against the plain one, on usual and on hostile boxes."""

import pytest
import torch
from mmdet.models.task_modules import MaxIoUAssigner
from mmengine.structures import InstanceData

from retina_plugin import BACKGROUND, IGNORED, label_anchors
from retina_plugin.kernels import windows
from retina_plugin.kernels.windows import Shapes, label_grid
from retina_plugin.matching import PAPER_RULE, MatchRule

KINDS = ("usual", "tiny", "huge", "whole", "thin", "equal", "outside", "broken", "mixed")
RULES = [
    PAPER_RULE,
    MatchRule(match_low_quality=False),
    MatchRule(neg_iou_thr=(0.1, 0.4)),
    MatchRule(gt_max_assign_all=False),
    MatchRule(min_pos_iou=0.3),
    MatchRule(pos_iou_thr=0.7, neg_iou_thr=0.3),
]
GRIDS = [
    {},
    {"octave_base_scale": 2},
    {"octave_base_scale": 8, "center_offset": 0.5},
    {"ratios": [0.3, 1.0], "scales_per_octave": 1},
]
SIZES = [(64, 64), (100, 164), (200, 136)]


@pytest.fixture
def draw(make_grid, make_boxes):
    """A grid, a batch, a rule and flags, all by a seed."""

    def case(seed, kind):
        generator = torch.Generator().manual_seed(seed)
        height, width = SIZES[seed % len(SIZES)]
        grid = make_grid(height, width, **GRIDS[seed // 3 % len(GRIDS)])
        counts = torch.randint(0, 9, (1 + seed % 3,), generator=generator).tolist()
        boxes = [
            make_boxes(kind, count, height, width, generator) if count else torch.zeros(0, 4)
            for count in counts
        ]
        valid = None
        if seed % 5 == 0:
            valid = torch.rand(len(boxes), len(grid.flat()), generator=generator) > 0.3
        if seed % 5 == 1:
            shapes = [(height - 32 * i, width - 32 * i) for i in range(len(boxes))]
            valid = torch.stack([grid.inside_padding(shape) for shape in shapes])
        return grid, boxes, RULES[seed % len(RULES)], valid

    return case


def differing(draw, seeds, kind):
    """Seeds whose codes differ from the plain form's."""
    cases = ((seed, draw(seed, kind)) for seed in seeds)
    return [
        seed
        for seed, (grid, boxes, rule, valid) in cases
        if not torch.equal(
            label_grid(grid, boxes, rule, valid),
            label_anchors(grid.flat(), boxes, rule, None, valid),
        )
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_codes_equal_the_plain_form(draw, kind):
    assert differing(draw, range(30), kind) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_codes_equal_the_plain_form_ten_thousand_times(draw, kind):
    assert differing(draw, range(30, 1150), kind) == []


@pytest.mark.parametrize("kind", ["usual", "whole", "mixed"])
def test_codes_equal_mmdetection(make_grid, make_boxes, kind):
    """Where both rules are the same: boxes that some anchor overlaps."""
    grid = make_grid(128, 160)
    boxes = make_boxes(kind, 9, 128, 160, torch.Generator().manual_seed(3))
    stock = MaxIoUAssigner(pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0, ignore_iof_thr=-1)
    gt = InstanceData(bboxes=boxes, labels=torch.zeros(len(boxes), dtype=torch.long))
    expected = stock.assign(InstanceData(priors=grid.flat()), gt).gt_inds
    codes = label_grid(grid, [boxes], PAPER_RULE)[0]
    assert torch.equal(torch.where(codes == IGNORED, -1, codes + 1), expected)


def test_parts_of_bounded_size_give_the_same_codes(make_grid, make_boxes, monkeypatch):
    grid = make_grid(128, 160)
    boxes = [make_boxes("mixed", 30, 128, 160, torch.Generator().manual_seed(i)) for i in (0, 1)]
    whole = label_grid(grid, boxes, PAPER_RULE)
    monkeypatch.setattr(windows, "PAIRS_AT_ONCE", 50)
    assert torch.equal(label_grid(grid, boxes, PAPER_RULE), whole)


def test_box_far_from_every_anchor_that_takes_part_claims_the_best_of_those(make_grid):
    grid = make_grid(64, 256)
    valid = (grid.flat()[:, 0] > 150)[None]
    boxes = [torch.tensor([[100.0, 20.0, 160.0, 50.0]])]
    codes = label_grid(grid, boxes, PAPER_RULE, valid)
    assert (codes == 0).sum() >= 1
    assert torch.equal(codes, label_anchors(grid.flat(), boxes, PAPER_RULE, None, valid))


def test_nothing_but_background_without_boxes(make_grid):
    grid = make_grid(64, 64)
    codes = label_grid(grid, [torch.zeros(0, 4)] * 2, MatchRule(neg_iou_thr=(0.1, 0.4)))
    assert (codes == BACKGROUND).all()
    assert codes.shape == (2, len(grid.flat()))


def test_shapes_name_every_anchor_of_the_grid(make_grid):
    grid = make_grid(72, 100)
    shapes = Shapes.of(grid)
    for shape in range(45):
        columns, rows = shapes.cells[shape].tolist()
        row, column = torch.arange(rows)[:, None], torch.arange(columns)
        anchors = grid.flat()[shapes.anchor(torch.tensor(shape), column, row)]
        shift = torch.stack(torch.broadcast_tensors(column, row), -1) * shapes.strides[shape]
        torch.testing.assert_close(anchors, (shapes.boxes[shape] + shift.repeat(1, 1, 2)).float())
