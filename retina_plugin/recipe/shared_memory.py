"""Data loader workers pass batches through shared memory, of which a container has little.

Where it is full, a worker's batch is lost and the run would wait for it forever.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config, ConfigDict

from .datasets import SPLITS, pipelines_of
from .image_scale import LARGEST, scales_of
from .report import Change

SHARED = Path("/dev/shm")  # of Linux
PREFETCHED = 2  # batches of each worker, PyTorch's default
CHANNELS = 3  # of one byte
BESIDE = 2**16  # bytes: boxes, labels and what they leave of their pages
# What PyTorch refuses beside num_workers=0.
OF_WORKERS = ("persistent_workers", "prefetch_factor", "multiprocessing_context", "timeout")
MB = 2**20


def fit_shared_memory(cfg: Config) -> list[Change]:
    """Loads data without workers where their batches do not fit into shared memory."""
    free = free_shared_memory()
    working = dict(_with_workers(cfg))
    if free is None or not working:
        return []
    image = largest_image(cfg)
    reason = f"WARNING: {SHARED} has room for {free // MB} MB, too little for workers' batches of "
    reason += "{needed} MB; a container gets more by docker run --shm-size=8g"
    changes = []
    for split, loader in working.items():
        needed = in_flight(loader, image)
        if needed > free:
            loader.num_workers = 0
            for key in OF_WORKERS:
                loader.pop(key, None)
            text = reason.format(needed=-(-needed // MB))
            changes.append(Change(f"{split}_dataloader.num_workers", 0, text))
    return changes


def _with_workers(cfg: Config) -> Iterator[tuple[str, ConfigDict]]:
    for split in SPLITS:
        loader = cfg.get(f"{split}_dataloader")
        if isinstance(loader, dict) and loader.get("num_workers"):
            yield split, loader


def free_shared_memory() -> int | None:
    """Bytes that can be shared; None where it is not counted, outside Linux."""
    if sys.platform != "linux":
        return None
    if not os.access(SHARED, os.W_OK):
        return 0
    system = os.statvfs(SHARED)
    return system.f_bavail * system.f_frsize


def largest_image(cfg: Config) -> int:
    """Bytes of the largest image that a pipeline of the config resizes to."""
    scales = [scale for _, pipeline in pipelines_of(cfg) for scale in scales_of(list(pipeline))]
    return CHANNELS * max((long * short for long, short in scales), default=LARGEST[0] * LARGEST[1])


def in_flight(loader: ConfigDict, image: int) -> int:
    """Bytes of the batches that wait to be trained on."""
    batches = loader.num_workers * (loader.get("prefetch_factor") or PREFETCHED) + 1
    return batches * loader.get("batch_size", 1) * (image + BESIDE)
