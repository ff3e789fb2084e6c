"""The smallest training that MMEngine's Runner does, for checkpoints as it writes them."""

import contextlib
import io
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import Tensor

_names = itertools.count()


class SmallModel(BaseModel):
    """A linear layer and a batch norm, whose loss is their output."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 3)
        self.norm = torch.nn.BatchNorm1d(3)

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = "tensor") -> Any:  # noqa: ARG002
        """Loss of inputs (N, 2)."""
        output: Tensor = self.norm(self.layer(torch.stack(list(inputs))))
        return {"loss": (output**4).mean()} if mode == "loss" else output


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
        "experiment_name": f"small_{os.getpid()}_{next(_names)}",
        "log_level": "CRITICAL",
    }
    with silence():
        return Runner(work_dir=str(work_dir), **{**defaults, **options})


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """What is printed inside is not seen."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
