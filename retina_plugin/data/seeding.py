"""Randomness of the data that depends on the position in the training alone.

MMEngine seeds a worker once, so what it draws depends on how many samples it drew before, and a
run that goes on in the middle draws something else. Here every sample is drawn with a seed of its
own, made of the run's seed, epoch, batch and place; so the number of workers does not matter.
"""

import random
from collections.abc import Iterator, Sized
from typing import Any, cast

import numpy as np
import torch
from mmengine.registry import DATA_SAMPLERS as MMENGINE_DATA_SAMPLERS
from torch.utils.data import BatchSampler, Dataset, Sampler

from ..registry import DATA_SAMPLERS, DATASETS

Seed = tuple[int, ...]


class SampleIndex(int):
    """An index into a dataset that carries the seed of what is drawn for it."""

    seed: Seed

    def __new__(cls, index: int, seed: Seed = ()) -> "SampleIndex":
        """The index, an int for everybody else."""
        made = super().__new__(cls, index)
        made.seed = seed
        return made


@DATA_SAMPLERS.register_module()
class SeededBatchSampler(Sampler):
    """Batches of a sampler, with a seed for every sample; can begin in the middle of an epoch.

    Args:
        sampler: MMEngine's or any other with `seed`; `epoch` and `rank` are read if there.
        batch_size: images of a batch.
        drop_last: whether a last batch that is not full is left out.
        batch_sampler: config of another batch sampler, such as MMDetection's
            AspectRatioBatchSampler, that makes the batches.
    """

    def __init__(
        self,
        sampler: Sampler,
        batch_size: int,
        drop_last: bool = False,
        batch_sampler: dict | None = None,
    ) -> None:
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.config = batch_sampler
        self.batches = self._made()
        self.start = 0
        self._is_inside = False  # a pass

    def _made(self) -> Sampler:
        if self.config is None:
            return BatchSampler(self.sampler, self.batch_size, self.drop_last)
        given = {"sampler": self.sampler, "batch_size": self.batch_size}
        return MMENGINE_DATA_SAMPLERS.build(self.config, default_args=given)

    def begin_at(self, batch: int) -> None:
        """Leave out this many batches of the next pass; no image is read for them."""
        self.start = batch

    def __iter__(self) -> Iterator[list[SampleIndex]]:
        """Batches of indices."""
        if self._is_inside:  # a pass that was left keeps the images of its half-full batches
            self.batches = self._made()
        self._is_inside = True
        start, self.start = self.start, 0
        position = (
            getattr(self.sampler, "seed", None) or 0,
            getattr(self.sampler, "rank", 0),
            getattr(self.sampler, "epoch", 0),
        )
        for number, batch in enumerate(self.batches):
            if number >= start:
                yield [
                    SampleIndex(index, (*position, number, place))
                    for place, index in enumerate(batch)
                ]
        self._is_inside = False

    def __len__(self) -> int:
        """Batches of an epoch."""
        return len(cast(Sized, self.batches))


@DATASETS.register_module()
class SeededDataset(Dataset):
    """Any dataset, drawing each sample with the seed that its index carries.

    Every attribute is that of the dataset inside, to read and to set.

    Args:
        dataset: a dataset, or the config of one.
    """

    def __init__(self, dataset: Any) -> None:
        built = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self.__dict__["dataset"] = built

    def __getitem__(self, index: int) -> Any:
        """The sample."""
        seed = getattr(index, "seed", None)
        if not seed:
            return self.dataset[index]
        seed_host(seed)
        return self.dataset[int(index)]

    def __len__(self) -> int:
        """Samples."""
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        """Of the dataset inside."""
        if name == "dataset" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """On the dataset inside, as hooks do that switch its pipeline."""
        setattr(self.dataset, name, value)


def seed_host(seed: Seed) -> int:
    """Seed python, numpy and PyTorch on the CPU; gives PyTorch's seed."""
    random.seed(repr([int(each) for each in seed]))  # of which it takes a SHA-512
    for_numpy, for_torch = random.getrandbits(32), random.getrandbits(32)
    np.random.seed(for_numpy)
    torch.default_generator.manual_seed(for_torch)
    return for_torch
