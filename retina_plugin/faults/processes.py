"""Several processes: whether they train like one, and what is left when one of them dies."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch import Tensor, distributed, nn

from ..analysis.benchmark.stock_twin import stock_twin
from ..engine.distributed import CPUDistributedDataParallel, leave_processes
from .row import Outcome, Row, tally
from .tiny_training import (
    SIDE,
    forked,
    scratch_folder,
    tiny_config,
    wait,
    warm,
    write_data,
)

PROCESSES, IMAGES = 2, 4  # images of a batch, the half of it for each process
TOLERANCE = 1e-6  # relative to the norm of the gradient

Batch = tuple[Tensor, list[DetDataSample]]


def random_batch(seed: int) -> Batch:
    """Images (4, 3, 64, 64) with 0 to 6 boxes; now and then a process has no object at all."""
    generator = np.random.default_rng(seed)
    counts = generator.integers(0, 7, IMAGES)
    if seed % 3 == 0:
        counts[IMAGES // PROCESSES :] = 0
    pixels = torch.from_numpy(generator.normal(size=(IMAGES, 3, SIDE, SIDE))).float()
    return pixels, [_sample(generator, int(count)) for count in counts]


def _sample(generator: np.random.Generator, count: int) -> DetDataSample:
    corners = generator.uniform(0, SIDE - 12, (count, 2))
    boxes = np.concatenate([corners, corners + generator.uniform(8, 30, (count, 2))], 1)
    labels = torch.from_numpy(generator.integers(0, 2, count))
    shape = (SIDE, SIDE)
    meta = {"img_shape": shape, "pad_shape": shape, "ori_shape": shape, "batch_input_shape": shape}
    sample = DetDataSample(metainfo=meta)
    bboxes = torch.from_numpy(boxes.clip(0, SIDE)).float()
    sample.gt_instances = InstanceData(bboxes=bboxes, labels=labels)
    sample.ignored_instances = InstanceData(bboxes=bboxes[:0], labels=labels[:0])
    return sample


def _model(data: Path, normaliser: str, stock: bool) -> nn.Module:
    cfg: Config = tiny_config(data, data, model__bbox_head__normaliser=normaliser)
    cfg.model.backbone.norm_eval = True  # batch statistics differ between processes by design
    if stock:
        cfg = stock_twin(cfg)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model._dump_init_info = lambda *_: None
    model.init_weights()
    return model.train()


def gradients(model: nn.Module, trained: nn.Module, batch: Batch, share: slice) -> Tensor:
    """All gradients (P,) of the share of a batch, in float32."""
    pixels, samples = batch
    model.zero_grad()
    losses = trained(pixels[share], samples[share], mode="loss")
    flat = [each for value in losses.values() for each in _as_list(value)]
    torch.stack(flat).sum().backward()
    return torch.cat([each.grad.flatten() for each in model.parameters() if each.grad is not None])


def _as_list(losses: Tensor | list[Tensor]) -> list[Tensor]:
    """Stock MMDetection has a loss a level."""
    return [losses] if isinstance(losses, Tensor) else losses


def _as_process(rank: int, folder: Path, make: Any, seeds: range) -> int:
    """One of the processes; the first writes the gradients of each batch."""
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=PROCESSES
    )
    model = make()
    trained = CPUDistributedDataParallel(model, find_unused_parameters=True)
    half = IMAGES // PROCESSES
    share = slice(rank * half, (rank + 1) * half)
    found = [gradients(model, trained, random_batch(seed), share) for seed in seeds]
    if rank == 0:
        torch.save(found, folder / "gradients.pt")
    del trained
    leave_processes()
    return 0


def _compare(normaliser: str, seeds: range, stock: bool) -> list[str | None]:
    with scratch_folder() as folder:
        data = write_data(folder / "data")
        make = partial(_model, data, normaliser, stock)
        children = [
            forked(partial(_as_process, rank, folder, make, seeds)) for rank in range(PROCESSES)
        ]
        codes = [wait(child) for child in children]
        if any(codes):
            return [f"the processes ended with {codes}"] * len(seeds)
        model = make()
        both = torch.load(folder / "gradients.pt")
        results = []
        for seed, of_two in zip(seeds, both, strict=True):
            of_one = gradients(model, model, random_batch(seed), slice(None))
            error = ((of_two - of_one).norm() / of_one.norm()).item()
            bad = f"{normaliser}, batch {seed}: the gradients differ by {error:.1e}"
            results.append(None if error <= TOLERANCE else bad)
    return results


def _equality_trials(trials: int, stock: bool = False) -> Outcome:
    warm()
    half = (trials + 1) // 2
    kinds = ("image",) if stock else ("global", "image")
    counts = (trials,) if stock else (half, trials - half)
    results = [
        result
        for kind, count in zip(kinds, counts, strict=True)
        for result in _compare(kind, range(count), stock)
    ]
    return tally(results)


ROWS = (
    Row(
        "D1",
        "two processes have the gradient of one, to 1e-6",
        _equality_trials,
        trials=40,
        quick=4,
        stock=partial(_equality_trials, stock=True),
        stock_trials=10,
    ),
)
