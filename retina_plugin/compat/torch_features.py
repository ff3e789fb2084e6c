"""What newer versions of PyTorch offer, asked for by feature, with a stand-in for older ones."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

CPU_INFO = Path("/proc/cpuinfo")


def cpu_capabilities() -> Mapping[str, Any]:
    """Instruction sets of the processor by name; without PyTorch's list, those that Linux names."""
    listed = getattr(torch.cpu, "get_capabilities", None)
    return listed() if listed else _flags_of_linux()


@cache
def _flags_of_linux() -> dict[str, bool]:
    """The flags of the first processor; empty elsewhere."""
    if not CPU_INFO.exists():
        return {}
    for line in CPU_INFO.read_text().splitlines():
        name, _, flags = line.partition(":")
        if name.strip() in ("flags", "Features"):  # of x86, of Arm
            return dict.fromkeys(flags.split(), True)
    return {}
