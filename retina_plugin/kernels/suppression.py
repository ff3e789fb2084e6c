"""NMS by compiled C (suppress.c), or else by plain PyTorch; equals `nms.py`.

Boxes on an accelerator are copied to the CPU and back: the plain forms wait for the device many
times, these two or three times.
"""

import ctypes

import torch
from torch import Tensor

from .. import nms as plain
from ..compat.torch_features import outside_graphs
from .fallback import NotAvailable, warn_once
from .native import library, pointer

METHODS = ("naive", "linear", "gaussian")  # numbered as in suppress.c


def nms(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    offset: int = 0,
    at_most: int | None = None,
) -> Tensor:
    """Indices of the boxes (N, 4) that `nms.nms` keeps, whose arguments these are."""
    if _is_known(boxes):
        try:
            kept = _nms(boxes.cpu(), scores.cpu(), iou_threshold, offset, at_most)
            return kept.to(boxes.device)
        except NotAvailable as reason:
            _say_plain(reason)
    return plain.nms(boxes, scores, iou_threshold, offset, at_most)


def soft_nms(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float = 0.3,
    sigma: float = 0.5,
    min_score: float = 1e-3,
    method: str = "linear",
    offset: int = 0,
) -> tuple[Tensor, Tensor]:
    """Boxes with their lowered scores (M, 5) and indices (M,), as `nms.soft_nms` gives them."""
    options = iou_threshold, sigma, min_score, method, offset
    if _is_known(boxes) and _is_known(scores) and bool(scores.isfinite().all()):
        try:
            found, picked = _soft_nms(boxes.cpu(), scores.cpu(), *options)
            return found.to(boxes.device), picked.to(boxes.device)
        except NotAvailable as reason:
            _say_plain(reason)
    return plain.soft_nms(boxes, scores, *options)


def _is_known(values: Tensor) -> bool:
    """Whether they are computed in float32."""
    return torch.promote_types(values.dtype, torch.float32) == torch.float32


def _say_plain(reason: NotAvailable) -> None:
    warn_once(f"NMS runs in plain PyTorch: {reason}.")


@outside_graphs
def _nms(
    boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int, at_most: int | None
) -> Tensor:
    code = library("suppress")
    code.nms.restype = ctypes.c_int64
    count = len(boxes) if at_most is None else min(at_most, len(boxes))
    boxes = boxes.float().contiguous()
    order = scores.argsort(descending=True, stable=True)
    kept, scratch = order.new_empty(count), boxes.new_empty(count, 5)
    found = code.nms(
        pointer(boxes),
        pointer(order),
        ctypes.c_int64(len(boxes)),
        ctypes.c_float(iou_threshold),
        ctypes.c_float(offset),
        ctypes.c_int64(count),
        pointer(scratch),
        pointer(kept),
    )
    return kept[:found].clone()


@outside_graphs
def _soft_nms(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: str,
    offset: int,
) -> tuple[Tensor, Tensor]:
    code = library("suppress")
    code.soft_nms.restype = ctypes.c_int64
    boxes = boxes.float()
    columns = boxes.new_empty(5, len(boxes))  # the last one for areas
    columns[:4] = boxes.t()
    left = scores.float().clone(memory_format=torch.contiguous_format)
    picked, lowered = torch.empty_like(left, dtype=torch.long), torch.empty_like(left)
    found = code.soft_nms(
        pointer(columns),
        pointer(left),
        ctypes.c_int64(len(boxes)),
        *map(ctypes.c_float, (iou_threshold, sigma, min_score, offset)),
        ctypes.c_int(METHODS.index(method)),
        pointer(picked),
        pointer(lowered),
    )
    picked, lowered = picked[:found].clone(), lowered[:found]
    return torch.cat([boxes[picked], lowered[:, None]], dim=1), picked
