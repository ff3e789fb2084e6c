"""What a validation and a checkpoint will take, before there was one."""

import statistics
from itertools import islice

import torch
from mmengine.runner import Runner, autocast

from ..distributed import unwrapped
from . import stopwatch

TRIED = 4  # batches
SAFETY = 1.3  # a trained model finds more than the one that is tried
EVALUATED = 0.005  # seconds of the metric for an image
WRITTEN = 100e6  # bytes in a second
COPIES = 3  # of the weights in a checkpoint: themselves and two averages of the optimizer


@torch.no_grad()
def expected_validation(runner: Runner) -> float:
    """Estimate the seconds of a validation from its first batches; 0 without a validation."""
    if runner.val_loop is None:
        return 0.0
    loader = runner.val_loop.dataloader
    times = [stopwatch.clock()]
    runner.model.eval()
    for batch in islice(loader, TRIED):
        with autocast(enabled=getattr(runner.val_loop, "fp16", False)):
            runner.model.val_step(batch)
        times.append(stopwatch.clock())
    first, *others = [after - before for before, after in zip(times, times[1:], strict=False)]
    batch_seconds = SAFETY * statistics.fmean(others or [first])
    return first + batch_seconds * (len(loader) - 1) + EVALUATED * len(loader.dataset)


def expected_save(runner: Runner) -> float:
    """Estimate the seconds of a checkpoint from its size."""
    weights = unwrapped(runner.model).state_dict().values()
    return COPIES * sum(each.numel() * each.element_size() for each in weights) / WRITTEN
