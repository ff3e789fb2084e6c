import math
import subprocess
import sys
from types import ModuleType

import mmcv.ops
import pytest
import torch
from mmdet.models.dense_heads import base_dense_head

from retina_plugin.compat.batched_nms import guarded, replace_everywhere

CFG = {"type": "nms", "iou_threshold": 0.5}
BOXES = torch.tensor(
    [[0, 0, 10, 10], [0, 0, 10, 9], [1300, 800, 1330, 830], [1300, 800, 1330, 829]]
).float()
SCORES = torch.tensor([0.9, 0.8, 0.7, 0.6])
LABELS = torch.tensor([0, 0, 79, 79])
PLAIN = mmcv.ops.batched_nms.__wrapped__


def test_mmdetection_calls_the_guard():
    assert base_dense_head.batched_nms is mmcv.ops.batched_nms
    assert hasattr(mmcv.ops.batched_nms, "__wrapped__")
    assert not hasattr(PLAIN, "__wrapped__")


@pytest.mark.parametrize("cfg", [CFG, {"type": "soft_nms", "iou_threshold": 0.5}, None])
@pytest.mark.parametrize("agnostic", [False, True])
def test_finite_boxes_give_what_mmcv_gives(cfg, agnostic):
    for count in (1, 4):
        inputs = BOXES[:count], SCORES[:count], LABELS[:count], cfg, agnostic
        expected, got = PLAIN(*inputs), mmcv.ops.batched_nms(*inputs)
        assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["box", "score"])
def test_a_candidate_that_is_not_finite_is_dropped_and_counted(broken, where, logged):
    boxes, scores = BOXES.clone(), SCORES.clone()
    (boxes if where == "box" else scores[:, None])[1, -1] = broken
    found, keep = mmcv.ops.batched_nms(boxes, scores, LABELS, CFG)
    assert keep.tolist() == [0, 2]
    torch.testing.assert_close(found[:, 4], torch.tensor([0.9, 0.7]))
    assert torch.equal(found[:, :4], BOXES[[0, 2]])
    assert "1 of 4 candidates of an image are not finite" in logged.text


def test_without_the_guard_one_such_box_switches_nms_off():
    boxes = BOXES.clone()
    boxes[1, 0] = math.nan
    assert len(PLAIN(boxes, SCORES, LABELS, CFG)[1]) == 4


def test_boxes_in_half_precision_do_not_overflow_between_classes():
    found, keep = mmcv.ops.batched_nms(BOXES.half(), SCORES.half(), LABELS, CFG)
    assert keep.tolist() == [0, 2]
    assert found.dtype == torch.float16
    assert len(PLAIN(BOXES.half(), SCORES.half(), LABELS, CFG)[1]) == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("cfg", [CFG, None])
def test_no_candidate_is_no_detection(dtype, cfg):
    empty = BOXES[:0].to(dtype), SCORES[:0].to(dtype), LABELS[:0]
    found, keep = mmcv.ops.batched_nms(*empty, cfg)
    assert found.shape == (0, 5)
    assert found.dtype == dtype
    assert keep.dtype == torch.long
    broken = torch.full((1, 4), math.nan, dtype=dtype)
    assert len(guarded(PLAIN)(broken, SCORES[:1].to(dtype), LABELS[:1], cfg)[1]) == 0


def test_modules_that_have_imported_the_function_before_get_the_guard(monkeypatch):
    def nms():
        pass

    early, other = ModuleType("early"), ModuleType("other")
    early.nms, other.nms, other.own_name = nms, len, nms
    monkeypatch.setitem(sys.modules, "early", early)
    monkeypatch.setitem(sys.modules, "other", other)
    monkeypatch.setitem(sys.modules, "gone", None)
    replace_everywhere(nms, guarded(nms))
    assert early.nms.__wrapped__ is nms
    assert (other.nms, other.own_name) == (len, nms)


AFTER_MMDETECTION = """
import sys
from types import ModuleType
compiled = ModuleType("mmcv._ext")

def operator(name):
    if name.startswith("_"):
        raise AttributeError(name)
    return len

compiled.__getattr__ = operator
sys.modules["mmcv._ext"] = compiled
import mmdet.models.dense_heads.base_dense_head as head
from mmdet.models import SSDHead
plain = head.batched_nms
import retina_plugin, mmcv.ops
assert sys.modules["mmcv._ext"] is compiled
assert head.batched_nms.__wrapped__ is plain
assert mmcv.ops.batched_nms is head.batched_nms
assert hasattr(SSDHead.__init__, "__wrapped__")
"""


@pytest.mark.slow
def test_a_config_may_name_this_package_after_mmdetection_was_imported():
    """As custom_imports does under MMDetection's test.py, where mmcv is compiled."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", AFTER_MMDETECTION], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
