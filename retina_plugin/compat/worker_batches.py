"""A data loader's worker that cannot hand over a batch ends, and with it the run.

Python only prints the error, here and in every PyTorch up to 2.15: the batch is lost, and the run
waits for it forever. It happens where /dev/shm is full or cannot be written to.

A worker that is not forked but started afresh, as on Windows and macOS, imports this package before
it reads its dataset: one of MMDetection's needs the operators that mmcv-lite lacks.
"""

import functools
import os
import sys
from collections.abc import Callable
from multiprocessing.queues import Queue
from typing import Any

from torch.utils.data import get_worker_info
from torch.utils.data._utils import worker

torchs_loop = worker._worker_loop


def worker_loop(*arguments: Any) -> None:
    """PyTorch's; a process that is started with it imports this module, and so the package."""
    torchs_loop(*arguments)


def install() -> None:
    """Make the queues of data loaders' workers end their process on such an error."""
    worker._worker_loop = worker_loop  # type: ignore[assignment]
    say = Queue._on_queue_feeder_error  # type: ignore[attr-defined]
    if not hasattr(say, "__wrapped__"):
        Queue._on_queue_feeder_error = staticmethod(ending(say))  # type: ignore[attr-defined]


def ending(say: Callable) -> Callable:
    """The same, but that a worker ends after it; the run hears of that within seconds."""

    @functools.wraps(say)
    def end(error: BaseException, batch: Any) -> None:
        if get_worker_info() is None:
            say(error, batch)
            return
        text = f"A worker of a data loader cannot hand over its batch: {error}"
        print(text, file=sys.stderr, flush=True)
        os._exit(1)

    return end
