"""What is measured of loss and assignment: MMDetection's function and ours, the same tensors."""

import os
from collections.abc import Callable

import torch
from mmdet.models.losses import FocalLoss as StockFocalLoss
from mmdet.models.task_modules import MaxIoUAssigner
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ...kernels.assignment import fast_codes
from ...losses import FocalLoss
from ...matching import PAPER_RULE
from ...targets import target_form
from .setting import OURS, STOCK, Cases, Setting, boxes_of, grid_of

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
    if STOCK_MATRICES * len(boxes) * grid.flat().nbytes // 4 > _free_bytes(setting.device):
        return ours  # MMDetection's would end the process
    return {STOCK: lambda: stock.assign(priors, gt), **ours}


def _free_bytes(device: str) -> int:
    if device == "cuda":
        return torch.cuda.mem_get_info()[0]
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
