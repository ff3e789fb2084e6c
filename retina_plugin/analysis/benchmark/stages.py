"""The stages of the benchmark, and which forms run in them."""

from collections.abc import Callable

import torch

from ...kernels import winograd
from ...kernels.convolution import joins
from ...kernels.focal import focal_form
from ...precision import chosen_dtype
from ...targets import target_form
from .evaluation_cases import evaluation_cases
from .model_cases import (
    inference_cases,
    inferencer_cases,
    predict_cases,
    targets_cases,
    train_cases,
)
from .nms_cases import nms_cases
from .setting import Cases, Setting
from .tensor_cases import assigner_cases, assignment_cases, loss_cases

# A case is a function without arguments; the cases of a stage get the same input.
STAGES: dict[str, Callable[[Setting], Cases]] = {
    "loss": loss_cases,
    "assignment": assignment_cases,
    "assigner": assigner_cases,
    "targets": targets_cases,
    "predict": predict_cases,
    "nms": nms_cases,
    "train": train_cases,
    "inference": inference_cases,
    "inferencer": inferencer_cases,
    "evaluation": evaluation_cases,
}
WITHOUT_TENSORS = ("evaluation",)  # whose memory PyTorch does not see


def paths(setting: Setting) -> dict[str, str]:
    """Which forms `ours` runs on this machine."""
    form = focal_form("auto", setting.device)
    precision = chosen_dtype("auto", setting.device)
    return {
        "loss": getattr(form.run, "__name__", "plain") if form else "plain",
        "targets": target_form("auto", setting.device),
        "convolutions": _convolutions(setting.device, precision),
        "precision": precision,
    }


def _convolutions(device: str, precision: str) -> str:
    if not joins(device, getattr(torch, precision)):
        return "plain"
    return "joined, winograd" if precision == "float32" and winograd.is_available() else "joined"
