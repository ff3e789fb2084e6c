"""Share the elements of C code out over threads."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch

T = TypeVar("T")


def shared_out(part: Callable[[int, int], T], count: int, unit: int = 1) -> list[T]:
    """Run `part(first, length)` on shares of `count` elements, at once; results in their order.

    Args:
        part: runs outside of Python's lock.
        count: of the elements.
        unit: a share is a multiple of so many elements, the last one excepted; there are as many
            shares as PyTorch has threads, or fewer.
    """
    share = max(1, -(-count // (unit * torch.get_num_threads()))) * unit
    firsts = range(0, count, share)
    lengths = [min(share, count - first) for first in firsts]
    if len(lengths) == 1:
        return [part(0, count)]
    return list(_threads(os.getpid()).map(part, firsts, lengths))


@cache
def _threads(process: int) -> ThreadPoolExecutor:  # noqa: ARG001 (a fork has none of its parent's)
    """Threads that wait for work."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="retina_plugin")
