"""The smallest training that MMEngine's Runner does, for checkpoints as it writes them."""

import contextlib
import io
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from torch import Tensor, nn

_names = itertools.count()
KEPT: tuple[Any, ...] = (MMLogger, MessageHub, DefaultScope, Visualizer)


class SmallModel(BaseModel):
    """Linear layers with the names of a detector's parts."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(2, 9), nn.BatchNorm1d(9), nn.Linear(9, 9))
        self.neck = nn.Linear(9, 4)
        self.bbox_head = nn.ModuleDict({"retina_cls": nn.Linear(4, 3)})

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = "tensor") -> Any:  # noqa: ARG002
        """Loss of inputs (N, 2)."""
        features = self.neck(self.backbone(torch.stack(list(inputs))))
        output: Tensor = self.bbox_head["retina_cls"](features)
        return {"loss": (output**4).mean()} if mode == "loss" else list(output)


def small_runner(work_dir: Path, **options: Any) -> Runner:
    """A runner with our hooks over four samples; a checkpoint after each of two epochs.

    Args:
        work_dir: where the checkpoints go.
        **options: of the Runner, instead of what is here.
    """
    defaults: dict[str, Any] = {
        "model": SmallModel(),
        "train_dataloader": {
            "dataset": [{"inputs": torch.tensor([i, 1.0 - i])} for i in range(4)],
            "sampler": {"type": "DefaultSampler", "shuffle": False},
            "batch_size": 2,
        },
        "train_cfg": {"by_epoch": True, "max_epochs": 2},
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9}},
        "default_hooks": {
            "checkpoint": {"type": "retina_plugin.CheckpointHook", "interval": 1},
            "loaded_weights": {"type": "retina_plugin.LoadedWeightsHook"},
        },
        "default_scope": "mmdet",
        "randomness": {"seed": 0},
        "experiment_name": f"small_{os.getpid()}_{next(_names)}",
        "log_level": "CRITICAL",
    }
    return Runner(work_dir=str(work_dir), **{**defaults, **options})


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """What is printed inside is not seen, and what MMEngine keeps of runs inside is forgotten."""
    before = {kind: set(kind._instance_dict) for kind in KEPT}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            yield
        finally:
            for kind, names in before.items():
                for name in set(kind._instance_dict) - names:
                    _close(kind._instance_dict.pop(name))


def _close(kept: Any) -> None:
    for handler in getattr(kept, "handlers", []):
        handler.close()
