"""Hard example mining against brute force."""

import pytest
import torch
from mmdet.structures.bbox import bbox_overlaps

from retina_plugin import OHEMSampler
from retina_plugin.errors import UserError
from retina_plugin.targets import ListedTargets, MaskedTargets


def brute_force(loss, anchors, among, number, threshold):
    """Anchors in order of their loss, each unless it overlaps one that was taken."""
    taken = []
    for index in loss.argsort(descending=True).tolist():
        overlaps = bbox_overlaps(anchors[index][None], anchors[taken]) if taken else torch.zeros(1)
        if among[index] and len(taken) < number and not (overlaps > threshold).any():
            taken.append(index)
    return set(taken)


@pytest.fixture
def batch():
    """Losses (2, 60), anchors and targets with ignored and positive anchors."""
    corner = torch.rand(60, 2) * 50
    anchors = torch.cat([corner, corner + 10 + torch.rand(60, 2) * 20], dim=1)
    positive = torch.rand(2, 60) < 0.15
    used = positive | (torch.rand(2, 60) < 0.8)
    image, anchor = positive.nonzero(as_tuple=True)
    targets = ListedTargets(positive.long(), used, anchors[anchor], image, anchor)
    return torch.rand(2, 60), anchors, targets


@pytest.mark.parametrize("number", [4, 8, 60])
@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.7])
def test_the_hardest_that_do_not_overlap_are_chosen(batch, number, threshold):
    loss, anchors, targets = batch
    chosen = OHEMSampler(number, threshold).choose(loss, anchors, targets)
    for i in range(2):
        expected = brute_force(loss[i], anchors, targets.used[i], number, threshold)
        assert set(chosen[i].nonzero()[:, 0].tolist()) == expected


@pytest.mark.parametrize("number", [8, 16, 200])
def test_three_negatives_for_each_positive(batch, number):
    loss, anchors, targets = batch
    chosen = OHEMSampler(number, 0.5, balanced=True).choose(loss, anchors, targets)
    for i in range(2):
        used, positive = targets.used[i], targets.is_positive[i]
        objects = brute_force(loss[i], anchors, positive, number // 4, 0.5)
        background = brute_force(loss[i], anchors, used & ~positive, 3 * len(objects), 0.5)
        assert set(chosen[i].nonzero()[:, 0].tolist()) == objects | background
        assert len(objects) <= number // 4


def test_an_image_without_objects_still_has_three_negatives(batch):
    loss, anchors, _ = batch
    nothing = torch.zeros(0, dtype=torch.long)
    used = torch.ones(2, 60, dtype=torch.bool)
    empty = ListedTargets(used.long(), used, anchors[nothing], nothing, nothing)
    chosen = OHEMSampler(128, 0.5, balanced=True).choose(loss, anchors, empty)
    assert chosen.sum(dim=1).tolist() == [3, 3]


def test_targets_of_both_kinds_are_restricted_alike(batch):
    _, anchors, listed = batch
    boxes = anchors.repeat(2, 1)
    masked = MaskedTargets(listed.labels, listed.used, boxes, listed.is_positive)
    chosen = torch.rand(2, 60) < 0.5
    (a, kept), (b, everything) = listed.only(chosen), masked.only(chosen)
    assert everything == slice(None)  # the anchors of both images still stand there
    assert torch.equal(a.used, listed.used & chosen)
    assert torch.equal(a.used, b.used)
    assert torch.equal(a.is_positive, listed.is_positive & chosen)
    assert torch.equal(a.is_positive, b.is_positive)
    assert torch.equal(a.boxes, listed.boxes[kept])
    assert torch.equal(b.boxes, boxes)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"number": 3}, "number to be a whole number >= 4, but got 3"),
        ({"number": 128.5}, "number to be a whole number >= 4, but got 128.5"),
        ({"iou_threshold": 0.0}, r"iou_threshold to be a number in \(0, 1\]"),
    ],
)
def test_settings_out_of_range_are_an_error(options, words):
    with pytest.raises(UserError, match=words):
        OHEMSampler(**options)
