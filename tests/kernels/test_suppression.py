"""Compiled NMS against the plain forms, on usual and on hostile input."""

import math

import pytest
import torch

from retina_plugin import nms as plain
from retina_plugin.kernels import suppression
from retina_plugin.kernels.fallback import NotAvailable, warn_once
from retina_plugin.kernels.suppression import nms, soft_nms

KINDS = ("few", "many", "whole", "equal", "flat", "broken", "huge")
COUNTS = (0, 1, 2, 63, 255, 256, 257, 600)


def draw(kind, count, seed=0):
    """Boxes (N, 4) of a kind and their scores, many of which are equal."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape):
        return torch.rand(*shape, generator=generator)

    side = {"few": 3000, "huge": 3e38}.get(kind, 100)
    corner = uniform(count, 2) * side
    boxes = torch.cat([corner, corner + uniform(count, 2) * 40 + 1], dim=1)
    if kind == "whole":
        boxes = boxes.round()
    if kind == "equal":
        boxes[:] = boxes[:1].clone()
    if kind == "flat":
        boxes[::2, 2] = boxes[::2, 0]
        boxes[::3, 3] = boxes[::3, 1] - 5
        boxes[1::7] = boxes[:1].clone()
    if kind == "broken":
        for number, value in enumerate((math.nan, math.inf, -math.inf)):
            boxes[number::9, number] = value
            boxes[number + 3 :: 9, number + 1] = value
    if kind == "huge":
        boxes[::4] *= -1
    return boxes, (uniform(count) * 50).round() / 50 + 0.01


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("offset", [0, 1])
def test_nms_equals_the_plain_form(kind, offset):
    for count in COUNTS:
        given = draw(kind, count)
        for threshold in (-1.0, 0.0, 0.3, 0.5, 1.0):
            for at_most in (None, 0, 1, 50, 10_000):
                options = threshold, offset, at_most
                assert torch.equal(nms(*given, *options), plain.nms(*given, *options))


def test_nms_equals_one_box_after_the_other():
    for kind in KINDS:
        given = draw(kind, 150)
        assert torch.equal(nms(*given, 0.5), plain.nms_plain(*given, 0.5))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", suppression.METHODS)
def test_soft_nms_equals_the_plain_form(kind, method):
    for count in (0, 1, 7, 8, 130):
        boxes, scores = draw(kind, count)
        for threshold, sigma, least, offset in (
            (0.3, 0.5, 1e-3, 0),
            (0.0, 0.1, 0.2, 1),
            (0.5, 2.0, -1.0, 0),
            (1.0, 0.5, math.inf, 0),
        ):
            options = threshold, sigma, least, method, offset
            found, expected = (
                run.soft_nms(boxes, scores, *options) for run in (suppression, plain)
            )
            for one, other in zip(found, expected, strict=True):
                torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_scores_that_are_not_finite_equal_the_plain_form(broken):
    boxes, scores = draw("many", 40)
    scores[3] = broken
    assert torch.equal(nms(boxes, scores, 0.5), plain.nms(boxes, scores, 0.5))
    found, expected = (run.soft_nms(boxes, scores) for run in (suppression, plain))
    assert torch.equal(found[1], expected[1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types_equal_the_plain_form(dtype):
    boxes, scores = draw("many", 90)
    boxes = boxes.to(dtype)
    for given in ((boxes, scores), (boxes, scores.to(dtype))):
        assert torch.equal(nms(*given, 0.5), plain.nms(*given, 0.5))
        for one, other in zip(soft_nms(*given), plain.soft_nms(*given), strict=True):
            assert torch.equal(one, other)
            assert one.dtype == other.dtype


def test_columns_of_a_wider_tensor_are_read_right():
    boxes, scores = draw("many", 90)
    wide = torch.cat([boxes, scores[:, None]], dim=1)
    expected = plain.nms(boxes, scores, 0.5)
    assert torch.equal(nms(wide[:, :4], wide[:, 4], 0.5), expected)
    assert torch.equal(soft_nms(wide[:, :4], wide[:, 4])[0], plain.soft_nms(boxes, scores)[0])
    assert torch.equal(wide[:, 4], scores)


def test_without_a_compiler_the_plain_form_takes_over_and_says_so(monkeypatch, logged):
    def library(name):
        raise NotAvailable("no compiler")

    warn_once.cache_clear()
    monkeypatch.setattr(suppression, "library", library)
    boxes, scores = draw("many", 40)
    for _ in range(2):
        assert torch.equal(nms(boxes, scores, 0.5), plain.nms(boxes, scores, 0.5))
        assert torch.equal(soft_nms(boxes, scores)[1], plain.soft_nms(boxes, scores)[1])
    assert logged.text.count("NMS runs in plain PyTorch: no compiler.") == 1
