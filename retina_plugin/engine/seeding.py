"""Randomness of the model that depends on the iteration alone, so that it is the same on resume."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..data.seeding import seed_host
from ..registry import HOOKS

MODEL = 1  # keeps these seeds apart from those of the data


@HOOKS.register_module()
class SeedHook(Hook):
    """Seeds python, numpy and PyTorch before every iteration, from the run's seed and its number.

    A resumed run so needs no random state but the seed, which MMEngine saves; what validation,
    logging or another hook draws in between changes nothing. Every process draws its own.
    """

    priority = "VERY_HIGH"

    def before_train(self, runner: Runner) -> None:
        """Give a resumed run's seed to its sampler, which was built before the checkpoint.

        A seed that the config has for the sampler alone stays.
        """
        batch_sampler = runner.train_dataloader.batch_sampler
        sampler = getattr(batch_sampler, "sampler", runner.train_dataloader.sampler)
        has_own = (
            runner._randomness_cfg.get("diff_rank_seed", False)
            or sampler_seed(runner.cfg) is not None
        )
        if isinstance(getattr(sampler, "seed", None), int) and not has_own:
            sampler.seed = runner.seed

    def before_train_iter(
        self,
        runner: Runner,
        batch_idx: int,  # noqa: ARG002
        data_batch: object = None,  # noqa: ARG002
    ) -> None:
        """Seed the processor, and the accelerator where there is one."""
        seed_iteration(runner, runner.iter)


def sampler_seed(cfg: Config) -> Any:
    """The seed that a config has for the sampler of the training; None without one."""
    loader = cfg.get("train_dataloader")
    sampler = loader.get("sampler") if isinstance(loader, dict) else None
    return sampler.get("seed") if isinstance(sampler, dict) else None


def seed_iteration(runner: Runner, iteration: int) -> None:
    """Seed what the model draws in this process in an iteration, counted from 0."""
    seed = seed_host((runner.seed, get_rank(), iteration, MODEL))
    if torch.cuda.is_available():
        torch.cuda.manual_seed(seed)


@contextmanager
def generators_kept() -> Iterator[None]:
    """Inside, anything may be drawn; python, numpy and PyTorch go on as before after it."""
    before = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])
