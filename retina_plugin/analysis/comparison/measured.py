"""Size, work, time and memory of models on the same images, by turns."""

import copy
import itertools
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmcv.transforms import Compose
from mmdet.registry import DATASETS, MODELS
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ...detector import RetinaNet
from ...engine.inferencer import load_detector
from ...kernels.convolution import flop_formulas
from ...precision import chosen_dtype
from ...recipe.datasets import loads_annotations
from ..timing import interleaved

PROPOSALS = 1000  # of a detector without a proposal network of its own
WARM = 2  # images that are not counted


@dataclass(frozen=True)
class Cost:
    """What a model costs."""

    parameters: int
    multiply_adds: int  # of an image, convolutions and matrix products
    seconds: tuple[float, float, float]  # median, lowest and highest of an image
    peak_bytes: int | None  # of tensors at most, beyond the weights
    input: tuple[int, int]  # height and width that the model sees
    precision: str  # in which it convolves
    machine: str
    note: str


@dataclass(frozen=True)
class Ready:
    """A detector to be measured."""

    model: nn.Module
    samples: list[dict]  # images, as its own pipeline makes them
    multiply_adds: int  # of the first one


def built(cfg: Config, checkpoint: str | None, device: str) -> nn.Module:
    """A detector for prediction; without a checkpoint with random weights.

    Raises:
        UserError: the weights do not fit.
    """
    if checkpoint is None:
        cfg = _without_pretrained(cfg)
    model = MODELS.build(cfg.model)
    if checkpoint is None:
        model.init_weights()
    else:
        load_detector(model, checkpoint, map_location="cpu")
    return model.to(device).eval()


def costs(ready: Mapping[str, Ready], repeats: int, device: str) -> dict[str, Cost]:
    """What each of several models costs, measured by turns.

    Args:
        ready: the models by name, all with the same images.
        repeats: images that are counted.
        device: where the models are.
    """
    runs = {name: _over(each.model, each.samples) for name, each in ready.items()}
    times = interleaved(runs, repeats, device, warmup=WARM)
    return {
        name: Cost(
            parameters=sum(weight.numel() for weight in each.model.parameters()),
            multiply_adds=each.multiply_adds,
            seconds=(times[name].median, times[name].lowest, times[name].highest),
            peak_bytes=times[name].peak_bytes,
            input=tuple(each.samples[0]["inputs"].shape[-2:]),
            precision=precision_of(each.model, device),
            machine=machine(device),
            note=f"{PROPOSALS} random proposals" if wants_proposals(each.model) else "",
        )
        for name, each in ready.items()
    }


def _over(model: nn.Module, samples: list[dict]) -> Callable[[], object]:
    turn = itertools.cycle(samples)
    return lambda: predict(model, next(turn))


@torch.no_grad()
def predict(model: Any, sample: dict) -> list:
    """Detect in one image, from its resized bytes to boxes in it."""
    return model.test_step(_batch(model, sample))


@torch.no_grad()
def multiply_adds(model: Any, sample: dict) -> int:
    """What a network spends on convolutions and matrix products, without any short cut.

    One multiplication with its addition is one, as in MMDetection's get_flops; PyTorch counts two.
    """
    batch = model.data_preprocessor(_batch(model, sample), False)
    with FlopCounterMode(display=False, custom_mapping=flop_formulas()) as counter:
        model(**batch, mode="tensor")
    return counter.get_total_flops() // 2


def _batch(model: nn.Module, sample: dict) -> dict:
    if wants_proposals(model) and "proposals" not in sample["data_samples"]:
        sample = {**sample, "data_samples": sample["data_samples"].clone()}
        proposals = random_proposals(*sample["inputs"].shape[-2:])
        sample["data_samples"].proposals = InstanceData(**proposals)
    return pseudo_collate([sample])


def machine(device: str) -> str:
    """What is measured on."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{os.cpu_count()} cores {platform.machine()}"


def precision_of(model: nn.Module, device: str) -> str:
    """What a detector convolves in: ours chooses, others use their weights' type."""
    if isinstance(model, RetinaNet):
        return chosen_dtype(model.dtype, device)
    return str(next(model.parameters()).dtype).removeprefix("torch.")


def wants_proposals(model: nn.Module) -> bool:
    """Whether a detector has a second stage alone, as Fast R-CNN."""
    return getattr(model, "with_roi_head", False) and not getattr(model, "with_rpn", False)


def random_proposals(height: int, width: int) -> dict[str, Tensor]:
    """The same boxes in each call, in pixels, xyxy, with scores."""
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(PROPOSALS, 2, 2, generator=generator) * torch.tensor([width, height])
    boxes = torch.cat([corners.amin(1), corners.amax(1)], dim=-1)
    return {"bboxes": boxes, "scores": torch.ones(PROPOSALS)}


def dataset_samples(cfg: Config, count: int) -> Iterator[dict]:
    """The first images of the config's test data, through its test pipeline."""
    dataset: Any = DATASETS.build(cfg.test_dataloader.dataset)
    return (dataset[index] for index in range(min(count, len(dataset))))


def image_samples(cfg: Config, images: list[np.ndarray]) -> Iterator[dict]:
    """Images (H, W, 3) uint8 BGR, through the config's test pipeline."""
    steps = [dict(step) for step in get_test_pipeline_cfg(cfg)]
    steps[0] = {**steps[0], "type": "mmdet.LoadImageFromNDArray"}
    pipeline = Compose([step for step in steps if not loads_annotations(step)])
    for index, image in enumerate(images):
        given: dict[str, Any] = {"img": image, "img_id": index}
        if any(_kind(step) == "LoadProposals" for step in steps):
            numbers = random_proposals(*image.shape[:2]).items()
            given["proposals"] = {key: value.numpy() for key, value in numbers}
        yield pipeline(given)


def _kind(step: dict) -> str:
    return step["type"].rpartition(".")[2]


def _without_pretrained(cfg: Config) -> Config:
    """A copy whose model downloads nothing."""
    cfg = copy.deepcopy(cfg)
    cfg.model.backbone.init_cfg = None
    return cfg
