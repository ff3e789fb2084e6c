import pytest
import torch

from retina_plugin import label_anchors
from retina_plugin.analysis.benchmark.setting import Setting, boxes_of, grid_of
from retina_plugin.faults import many_boxes
from retina_plugin.faults.many_boxes import CASES, ROWS, SETTING, codes_in_parts


@pytest.mark.parametrize("at_once", [1, 7, 100])
def test_reference_is_the_plain_form(monkeypatch, at_once):
    monkeypatch.setattr(many_boxes, "AT_ONCE", at_once)
    setting = Setting(height=256, width=320, gts=40)
    anchors = grid_of(setting).flat()
    boxes = torch.cat([boxes_of(setting), boxes_of(setting).round()[:9]])
    assert torch.equal(codes_in_parts(anchors, boxes), label_anchors(anchors, [boxes])[0])


@pytest.mark.parametrize("name", CASES)
def test_boxes_are_many_and_overlap_the_image(name):
    boxes = CASES[name]()
    assert boxes.shape == (SETTING.gts, 4)
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert (boxes[:, :2] < torch.tensor([SETTING.width, SETTING.height])).all()
    assert len(grid_of(SETTING).flat()) == 201_600


@pytest.mark.slow
def test_memory_stays_small_and_codes_the_plain_ones():
    outcome = ROWS[0].ours(1)
    assert outcome.passed, outcome.failures
    assert "201600 anchors, 5000 boxes" in outcome.note
