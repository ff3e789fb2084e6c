"""Memory of a large result, kept for the next result.

An allocator gives tens of megabytes back to the system at once; asking for them again costs one
page fault for every four kilobytes, on a virtual machine more time than the computation.
"""

from threading import Lock

import torch
from torch import Tensor, UntypedStorage


class Buffer:
    """One block of memory of the CPU, as large as the largest result so far.

    Accelerators have such a thing in PyTorch's own allocator.

    Args:
        least: bytes of a result from which on it is worth it.
    """

    def __init__(self, least: int) -> None:
        self.least = least
        self._storage: UntypedStorage | None = None
        self._lock = Lock()

    def empty_like(self, tensor: Tensor) -> tuple[Tensor, bool]:
        """A contiguous tensor of that shape and type, and whether its memory is new.

        It lies in the kept block, unless that is too small or anybody still holds what lay there.
        """
        if tensor.nbytes < self.least or tensor.device.type != "cpu":
            return torch.empty_like(tensor, memory_format=torch.contiguous_format), True
        with self._lock:
            kept = self._storage
            if kept is not None and kept.nbytes() >= tensor.nbytes and _is_unused(kept):
                stride = torch.empty(tensor.shape, device="meta").stride()
                reused = tensor.new_empty(0).set_(kept, 0, tensor.shape, stride)
                return reused.requires_grad_(False), False
            fresh = torch.empty_like(tensor, memory_format=torch.contiguous_format)
            if kept is None or kept.nbytes() < tensor.nbytes:
                self._storage = fresh.untyped_storage()
            return fresh, True

    def release(self) -> None:
        """Give the block up; what lies in it stays where it is."""
        with self._lock:
            self._storage = None


def _is_unused(storage: UntypedStorage) -> bool:
    """Whether no tensor is left that lies in it; the buffer's own reference is one."""
    return torch._C._storage_Use_Count(storage._cdata) == 1
