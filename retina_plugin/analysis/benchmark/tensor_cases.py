"""What is measured of loss and assignment: MMDetection's function and ours, the same tensors."""

import os
from collections.abc import Callable
from pathlib import Path

import torch
from mmdet.models.losses import FocalLoss as StockFocalLoss
from mmdet.models.task_modules import MaxIoUAssigner
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ...kernels.assignment import fast_codes
from ...kernels.blocks import match_blocks
from ...losses import FocalLoss
from ...matching import PAPER_RULE
from ...targets import target_form
from .setting import OURS, STOCK, Cases, Setting, boxes_of, grid_of

MEMINFO = Path("/proc/meminfo")
STOCK_MATRICES = 11  # (G, R) of float32 at a time, as MMDetection's bbox_overlaps says of itself


def loss_cases(setting: Setting) -> Cases:
    """Focal loss forward and backward of one image's anchors."""
    torch.manual_seed(0)
    anchors = len(grid_of(setting).flat())
    logits = torch.randn(anchors, setting.classes, device=setting.device) * 0.1 - 4.6
    logits.requires_grad_()
    labels = torch.full((anchors,), setting.classes, device=setting.device)
    labels[::1000] = 0
    weights = torch.ones(anchors, device=setting.device)

    def case(loss: nn.Module) -> Callable[[], object]:
        def run() -> Tensor | None:
            loss(logits, labels, weights, avg_factor=100.0).backward()
            gradient, logits.grad = logits.grad, None
            return gradient

        return run

    blocked = FocalLoss(form="blocked").to(setting.device)
    return {
        STOCK: case(StockFocalLoss()),
        OURS: case(FocalLoss()),
        "ours, no compiler": case(blocked),
    }


def assignment_cases(setting: Setting) -> Cases:
    """Assignment of one image's boxes."""
    grid, boxes = grid_of(setting), boxes_of(setting)
    stock = MaxIoUAssigner(pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0, ignore_iof_thr=-1)
    labels = torch.zeros(len(boxes), dtype=torch.long, device=setting.device)
    gt, priors = InstanceData(bboxes=boxes, labels=labels), InstanceData(priors=grid.flat())
    form = target_form("auto", setting.device)
    ours: Cases = {OURS: lambda: fast_codes(grid, [boxes], PAPER_RULE, [None], None, form)}
    if _is_too_much_for_stock(setting):
        return ours
    return {STOCK: lambda: stock.assign(priors, gt), **ours}


def assigner_cases(setting: Setting) -> Cases:
    """Our assigner alone, as MMDetection's own head calls it: by the registry, on flat anchors."""
    anchors, boxes = grid_of(setting).flat(), boxes_of(setting)
    labels = torch.arange(len(boxes), device=setting.device) % setting.classes
    given = InstanceData(priors=anchors), InstanceData(bboxes=boxes, labels=labels)
    rule = {"pos_iou_thr": 0.5, "neg_iou_thr": 0.4, "min_pos_iou": 0, "ignore_iof_thr": -1}
    stock = TASK_UTILS.build({"type": "mmdet.MaxIoUAssigner", **rule})
    ours = TASK_UTILS.build({"type": "retina_plugin.AnchorAssigner", **rule})
    cases: Cases = {OURS: lambda: ours.assign(*given)}
    if setting.device == "cpu":
        cases["ours, no compiler"] = lambda: match_blocks(anchors, boxes, ours.rule)
    if _is_too_much_for_stock(setting):
        return cases
    return {STOCK: lambda: stock.assign(*given), **cases}


def _is_too_much_for_stock(setting: Setting) -> bool:
    """Whether MMDetection's matrices would end the process."""
    matrix = setting.gts * grid_of(setting).flat().nbytes // 4
    return STOCK_MATRICES * matrix > _free_bytes(setting.device)


def _free_bytes(device: str) -> int:
    if device == "cuda":
        return torch.cuda.mem_get_info()[0]
    if MEMINFO.exists():  # counts the page cache, which gives way
        lines = MEMINFO.read_text().splitlines()
        return next(int(x.split()[1]) << 10 for x in lines if x.startswith("MemAvailable:"))
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
