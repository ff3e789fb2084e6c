"""What is measured: each stage of RetinaNet as MMDetection ships it, at its best, and as ours.

A case is a function without arguments; the cases of a stage get the same input.
"""

import copy
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmdet.models.losses import FocalLoss as StockFocalLoss
from mmdet.models.task_modules import AnchorGenerator, MaxIoUAssigner
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.model.efficient_conv_bn_eval import turn_on_efficient_conv_bn_eval
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ..anchors import AnchorGrid
from ..kernels.assignment import fast_codes
from ..kernels.focal import focal_form
from ..losses import FocalLoss
from ..matching import PAPER_RULE
from ..precision import autocast_of, chosen_dtype
from ..recipe.speed import choose_speed
from ..settings import ANCHORS
from ..targets import target_form
from .stock_twin import stock_twin

Cases = dict[str, Callable[[], object]]
STOCK, BEST, OURS = "stock", "stock, best settings", "ours"
GT_SEED = 0


@dataclass(frozen=True)
class Setting:
    """Sizes of a measurement."""

    height: int = 800
    width: int = 1344
    batch: int = 1
    classes: int = 80
    gts: int = 8
    depth: int = 50
    device: str = "cpu"


def grid_of(setting: Setting) -> AnchorGrid:
    """The anchors over an image of the setting."""
    options: dict[str, Any] = {key: value for key, value in ANCHORS.items() if key != "type"}
    generator = AnchorGenerator(**options)
    sizes = [(-(-setting.height // s), -(-setting.width // s)) for s in options["strides"]]
    maps = tuple(torch.empty(1, 1, *size, device=setting.device) for size in sizes)
    return AnchorGrid.over(generator, maps)


def boxes_of(setting: Setting) -> Tensor:
    """(G, 4) boxes of some 20 to 300 px, clipped to the image."""
    generator = torch.Generator().manual_seed(GT_SEED)
    size = torch.exp(torch.randn(setting.gts, 2, generator=generator) * 0.7 + 4.2)
    limits = torch.tensor([setting.width, setting.height])
    centre = torch.rand(setting.gts, 2, generator=generator) * limits
    boxes = torch.cat([centre - size / 2, centre + size / 2], dim=1).clamp(min=0)
    return boxes.minimum(limits.repeat(2)).to(setting.device)


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
    return {
        STOCK: lambda: stock.assign(priors, gt),
        OURS: lambda: fast_codes(grid, [boxes], PAPER_RULE, [None], None, form),
    }


def predict_cases(setting: Setting) -> Cases:
    """Detections from the outputs of a random head, as both heads have them in memory."""
    torch.manual_seed(0)
    models = _models(setting)
    grid = grid_of(setting)
    k, n = setting.classes, setting.batch
    shapes = [(n, 9, *size) for size in grid.sizes]
    logits = [torch.randn(n, 9 * k, h, w, device=setting.device) - 4.6 for n, _, h, w in shapes]
    deltas = [torch.randn(n, 36, h, w, device=setting.device) * 0.3 for n, _, h, w in shapes]
    meta = {
        "img_shape": (setting.height, setting.width - setting.width // 100),
        "scale_factor": (1.0, 1.0),
    }
    metas = [meta] * n
    flat = [[_flat(x, c) for x in levels] for levels, c in ((logits, k), (deltas, 4))]
    stock, ours = models[STOCK].bbox_head.eval(), models[OURS].bbox_head.eval()
    return {
        STOCK: lambda: stock.predict_by_feat(logits, deltas, batch_img_metas=metas, rescale=True),
        OURS: lambda: ours.predict_by_feat(*flat, grid, metas, rescale=True),
    }


def _flat(output: Tensor, channels: int) -> Tensor:
    """(N, A K, H, W) as a channels-last network leaves it: (N, H W A, K) without a copy."""
    output = output.contiguous(memory_format=torch.channels_last)
    return output.permute(0, 2, 3, 1).reshape(len(output), -1, channels)


def train_cases(setting: Setting) -> Cases:
    """A training step: forward, losses, backward, SGD."""
    return {name: _step(name, model, setting) for name, model in _models(setting).items()}


def inference_cases(setting: Setting) -> Cases:
    """From a batch of images to detections."""
    return {name: _inference(name, m, setting) for name, m in _models(setting).items()}


def _models(setting: Setting) -> dict[str, Any]:
    """Stock, stock at its best settings, ours; all from the same seed."""
    configs = Path(__file__).parents[2] / "configs"
    if not configs.is_dir():  # installed from a wheel
        configs = Path(__file__).parents[1] / ".mim" / "configs"
    cfg = Config.fromfile(configs / f"retinanet_r{setting.depth}.py")
    cfg.model.backbone.init_cfg = None
    cfg.model.bbox_head.num_classes = setting.classes
    choose_speed(cfg)
    twin = stock_twin(cfg)
    models = {}
    for name, source in ((STOCK, twin), (BEST, twin), (OURS, cfg)):
        torch.manual_seed(0)
        with DefaultScope.overwrite_default_scope("mmdet"):
            model = MODELS.build(copy.deepcopy(source.model))
        if name == BEST:
            model.to(memory_format=torch.channels_last)
            turn_on_efficient_conv_bn_eval(model, "backbone")
        models[name] = model.to(setting.device)
    return models


def _batch(setting: Setting, name: str) -> tuple[Tensor, list[DetDataSample]]:
    generator = torch.Generator().manual_seed(1)
    shape = (setting.batch, 3, setting.height, setting.width)
    images = torch.randn(shape, generator=generator).to(setting.device)
    if name != STOCK:
        images = images.contiguous(memory_format=torch.channels_last)
    size = (setting.height, setting.width)
    meta = dict.fromkeys(("img_shape", "ori_shape", "pad_shape", "batch_input_shape"), size)
    boxes = boxes_of(setting)
    labels = torch.arange(len(boxes), device=setting.device) % setting.classes
    samples = []
    for _ in range(setting.batch):
        sample = DetDataSample(metainfo={**meta, "scale_factor": (1.0, 1.0)})
        sample.gt_instances = InstanceData(bboxes=boxes, labels=labels)
        sample.ignored_instances = InstanceData(bboxes=boxes[:0], labels=labels[:0])
        samples.append(sample)
    return images, samples


def _training_precision(name: str, device: str) -> Any:
    """MMDetection ships float32; its AMP wrapper refuses the CPU and is float16 on a GPU."""
    if name == OURS:
        return autocast_of(chosen_dtype("auto", device), device)
    is_amp = name == BEST and device == "cuda"
    return torch.autocast(device, torch.float16) if is_amp else nullcontext()


def _step(name: str, model: Any, setting: Setting) -> Callable[[], object]:
    images, samples = _batch(setting, name)
    learned = [p for p in model.parameters() if p.requires_grad]
    fused = {"fused": True} if name == OURS else {}
    # A rate of 0: random weights on random images would else diverge in the course of it.
    optimizer = torch.optim.SGD(learned, lr=0.0, momentum=0.9, weight_decay=1e-4, **fused)
    model.train()

    def run() -> None:
        with _training_precision(name, setting.device):
            losses = model(images, samples, mode="loss")
        total, _ = model.parse_losses(losses)
        total.backward()
        optimizer.step()
        optimizer.zero_grad()

    return run


def _inference(name: str, model: Any, setting: Setting) -> Callable[[], object]:
    images, samples = _batch(setting, name)
    model.eval()

    def run() -> object:
        with torch.no_grad():
            return model(images, copy.copy(samples), mode="predict")

    return run


def paths(setting: Setting) -> dict[str, str]:
    """Which forms `ours` runs on this machine."""
    form = focal_form("auto", setting.device)
    return {
        "loss": getattr(form.run, "__name__", "plain") if form else "plain",
        "targets": target_form("auto", setting.device),
        "precision": chosen_dtype("auto", setting.device),
    }


STAGES: dict[str, Callable[[Setting], Cases]] = {
    "loss": loss_cases,
    "assignment": assignment_cases,
    "predict": predict_cases,
    "train": train_cases,
    "inference": inference_cases,
}
