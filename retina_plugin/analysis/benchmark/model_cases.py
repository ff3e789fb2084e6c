"""What is measured of models: MMDetection's RetinaNet as shipped, at its best, and ours."""

import copy
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from mmdet.apis import DetInferencer
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.model.efficient_conv_bn_eval import turn_on_efficient_conv_bn_eval
from mmengine.registry import DefaultScope
from torch import Tensor

from ...compat.torch_features import can_fuse
from ...engine.inferencer import QUIET
from ...precision import autocast_of, chosen_dtype
from ...recipe.speed import choose_speed
from .setting import BEST, OURS, STOCK, Cases, Setting, grid_of, gts_of, metas_of
from .stock_twin import stock_twin


def targets_cases(setting: Setting) -> Cases:
    """From the feature maps' sizes and the boxes to labels, weights and box targets of a batch."""
    models = models_of(setting)
    stock, ours = models[STOCK].bbox_head, models[OURS].bbox_head
    sizes = grid_of(setting).sizes
    maps = tuple(torch.empty(1, 1, *size, device=setting.device) for size in sizes)
    gts, metas = gts_of(setting), metas_of(setting)

    def run_stock() -> object:
        anchors, flags = stock.get_anchors(list(sizes), metas, device=setting.device)
        return stock.get_targets(anchors, flags, gts, metas)

    return {STOCK: run_stock, OURS: lambda: ours.targets(ours.grid(maps), gts, metas)}


def predict_cases(setting: Setting) -> Cases:
    """Detections from the outputs of a random head, as both heads have them in memory."""
    torch.manual_seed(0)
    models = models_of(setting)
    grid = grid_of(setting)
    k, n = setting.classes, setting.batch
    shapes = [(n, 9, *size) for size in grid.sizes]
    logits = [torch.randn(n, 9 * k, h, w, device=setting.device) - 4.6 for n, _, h, w in shapes]
    deltas = [torch.randn(n, 36, h, w, device=setting.device) * 0.3 for n, _, h, w in shapes]
    narrower = (setting.height, setting.width - setting.width // 100)
    metas = [{**meta, "img_shape": narrower} for meta in metas_of(setting)]
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
    return {name: _step(name, model, setting) for name, model in models_of(setting).items()}


def inference_cases(setting: Setting) -> Cases:
    """From a batch of images to detections."""
    return {name: _inference(name, m, setting) for name, m in models_of(setting).items()}


def models_of(setting: Setting) -> dict[str, Any]:
    """Stock, stock at its best settings, ours; all from the same seed."""
    cfg, twin = configs_of(setting)
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
    samples = []
    for gt, meta in zip(gts_of(setting), metas_of(setting), strict=True):
        sample = DetDataSample(metainfo=meta)
        sample.gt_instances, sample.ignored_instances = gt, gt[:0]
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
    fuses = name == OURS and can_fuse("SGD", setting.device)
    fused = {"fused": True} if fuses else {}
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


def configs_of(setting: Setting) -> tuple[Config, Config]:
    """Our config with its fast defaults, and MMDetection's twin of it; weights are random."""
    configs = Path(__file__).parents[3] / "configs"
    if not configs.is_dir():  # installed from a wheel
        configs = Path(__file__).parents[2] / ".mim" / "configs"
    cfg = Config.fromfile(configs / f"retinanet_r{setting.depth}.py")
    cfg.model.backbone.init_cfg = None
    cfg.model.bbox_head.num_classes = setting.classes
    choose_speed(cfg)
    return cfg, stock_twin(cfg)


def inferencer_cases(setting: Setting) -> Cases:
    """MMDetection's DetInferencer, from pixels to its dictionary of predictions."""
    generator = torch.Generator().manual_seed(1)
    shape = (setting.height, setting.width, 3)
    image = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8).numpy()
    images = [image] * setting.batch
    ours, stock = configs_of(setting)
    return {
        name: _inferencer(cfg, images, setting.device)
        for name, cfg in ((STOCK, stock), (OURS, ours))
    }


def _inferencer(cfg: Config, images: list, device: str) -> Callable[[], object]:
    torch.manual_seed(0)
    with warnings.catch_warnings():  # that it has no checkpoint, and so no names of classes
        warnings.simplefilter("ignore")
        inferencer = DetInferencer(cfg, device=device, palette="coco", **QUIET)
    return lambda: inferencer(images, batch_size=len(images))
