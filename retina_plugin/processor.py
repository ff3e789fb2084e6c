"""What the processor computes in hardware: the one place that asks, and that tests replace."""

import os

import torch

from .compat.torch_features import cpu_capabilities

BFLOAT16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "bf16")  # the last one is Arm's
# Limits under which a process has no bfloat16 instructions: oneDNN's (its guide "CPU Dispatcher
# Control"; DNNL_ is the older prefix) and that of PyTorch's own kernels.
LIMITS = {
    "ONEDNN_MAX_CPU_ISA": (
        *("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2"),
        *("AVX512_CORE", "AVX512_CORE_VNNI"),
    ),
    "ATEN_CPU_CAPABILITY": ("DEFAULT", "AVX2"),
}
LIMITS["DNNL_MAX_CPU_ISA"] = LIMITS["ONEDNN_MAX_CPU_ISA"]


def computes_in_bfloat16(device_type: str) -> bool:
    """Whether this machine's `cpu` or `cuda` device has bfloat16 instructions that it may use."""
    if device_type == "cuda":
        has_device = torch.cuda.is_available()
        return has_device and (
            bool(torch.version.hip) or torch.cuda.get_device_capability() >= (8, 0)
        )
    if device_type != "cpu" or is_limited():
        return False
    capabilities = cpu_capabilities()
    return any(capabilities.get(name, False) for name in BFLOAT16_INSTRUCTIONS)


def _gpu_computes_in_bfloat16() -> bool:
    return bool(torch.version.hip) or torch.cuda.get_device_capability() >= (8, 0)


def onednn_computes_in(dtype: torch.dtype) -> bool:
    """Whether oneDNN is on and has kernels for the type on this processor."""
    if not (torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled):
        return False
    if dtype == torch.bfloat16:
        return not is_limited() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return dtype == torch.float32


def is_limited() -> bool:
    """Whether the environment keeps this process from bfloat16 instructions."""
    return any(os.environ.get(name, "").upper() in values for name, values in LIMITS.items())
