"""Targets of a batch, by hand and through foreign assigners."""

import pytest
import torch
from mmdet.models.task_modules import ATSSAssigner, MaxIoUAssigner, UniformAssigner
from mmengine.structures import InstanceData

from retina_plugin import BACKGROUND, IGNORED, AnchorAssigner
from retina_plugin.anchors import AnchorGrid
from retina_plugin.errors import UserError
from retina_plugin.targets import batch_codes, listed_targets

ANCHORS = torch.tensor(
    [
        [0.0, 0.0, 10.0, 10.0],
        [0.0, 0.0, 10.0, 4.5],
        [40.0, 40.0, 60.0, 60.0],
        [80.0, 80.0, 90.0, 90.0],
    ]
)

# No grid: four anchors of a level each of another size.
GRID = AnchorGrid([ANCHORS], sizes=[(4, 1)], strides=[(1, 1)], anchors_per_cell=[1])


def gt(boxes, labels):
    return InstanceData(
        bboxes=torch.tensor(boxes).view(-1, 4), labels=torch.tensor(labels, dtype=torch.long)
    )


GTS = [
    gt([[0.0, 0.0, 10.0, 10.0], [40.0, 40.0, 60.0, 58.0]], [3, 1]),
    gt([], []),
    gt([[80.0, 80.0, 90.0, 90.0]], [0]),
]


def test_targets_of_a_batch_by_hand():
    codes = torch.tensor(
        [
            [0, IGNORED, 1, BACKGROUND],
            [BACKGROUND, IGNORED, BACKGROUND, BACKGROUND],
            [BACKGROUND, BACKGROUND, BACKGROUND, 0],
        ]
    )
    targets = listed_targets(codes, GTS, num_classes=5)
    assert targets.labels.tolist() == [[3, 5, 1, 5], [5, 5, 5, 5], [5, 5, 5, 0]]
    assert targets.used.tolist() == [[True, False, True, True]] + [
        [True, False, True, True],
        [True, True, True, True],
    ]
    assert targets.image.tolist() == [0, 0, 2]
    assert targets.anchor.tolist() == [0, 2, 3]
    assert torch.equal(targets.boxes, torch.cat([g.bboxes for g in GTS]))
    assert targets.positives.tolist() == [2, 0, 1]


def test_batch_without_any_box_is_all_background():
    codes = torch.full((2, 4), BACKGROUND)
    targets = listed_targets(codes, [GTS[1], GTS[1]], num_classes=5)
    assert (targets.labels == 5).all()
    assert targets.boxes.shape == (0, 4)
    assert targets.positives.tolist() == [0, 0]


def test_own_and_foreign_assigners_give_the_same_codes():
    valid = torch.tensor([[True] * 4, [True] * 4, [True, False, True, True]])
    crowd = InstanceData(bboxes=torch.tensor([[38.0, 38.0, 70.0, 70.0]]))
    ignored = [None, None, crowd]
    options = {"pos_iou_thr": 0.5, "neg_iou_thr": 0.4, "ignore_iof_thr": 0.5}
    ours = batch_codes(AnchorAssigner(**options), GRID, valid, GTS, ignored)
    stock = batch_codes(MaxIoUAssigner(**options), GRID, valid, GTS, ignored)
    assert ours.tolist() == [
        [0, IGNORED, 1, BACKGROUND],
        [BACKGROUND] * 4,
        [BACKGROUND, IGNORED, IGNORED, 0],
    ]
    assert torch.equal(ours, stock)


@pytest.mark.parametrize(
    ("assigner", "reason"),
    [
        (ATSSAssigner(9), "bboxes"),
        (UniformAssigner(0.1, 0.7), "decoder_priors"),
    ],
)
def test_assigner_that_asks_for_more_than_anchors_is_named(assigner, reason):
    name = type(assigner).__name__
    with pytest.raises(UserError, match=f"train_cfg.assigner: {name} asks for more .*({reason})"):
        batch_codes(assigner, GRID, None, GTS, [None] * 3)
