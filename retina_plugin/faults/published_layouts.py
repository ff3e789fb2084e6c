"""Checkpoints in the layouts that MMDetection 2.x and 3.x, torchvision and MMEngine publish."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor, nn

Weights = OrderedDict[str, Tensor]
TEXT = "model = dict(type='RetinaNet')\ndata_root = 'data/coco/'\n"
SHAPES = {
    "backbone.conv1.weight": (4, 3, 7, 7),
    "backbone.bn1.running_var": (4,),
    "neck.fpn_convs.0.conv.weight": (4, 4, 3, 3),
    "bbox_head.retina_cls.bias": (18,),
}


def plain_weights(dtype: torch.dtype = torch.float32) -> Weights:
    """Weights with the names of a RetinaNet and the versions of its modules."""
    weights = OrderedDict((name, torch.randn(shape).to(dtype)) for name, shape in SHAPES.items())
    weights["backbone.bn1.num_batches_tracked"] = torch.tensor(7)
    weights._metadata = OrderedDict({"": {"version": 1}, "backbone.bn1": {"version": 2}})  # type: ignore[attr-defined]
    return weights


def _shared() -> Weights:
    """Two weights that are parts of one tensor, one of them transposed."""
    both = torch.randn(8, 6)
    return OrderedDict({"a.weight": both[:4], "b.weight": both[4:].t()})


def _parameters() -> Weights:
    return OrderedDict(
        (key, nn.Parameter(value))
        for key, value in plain_weights().items()
        if value.is_floating_point()
    )


def _of_processes() -> Weights:
    return OrderedDict((f"module.{key}", value) for key, value in plain_weights().items())


WEIGHTS: dict[str, Callable[[], Weights]] = {
    "float32": plain_weights,
    "float16": lambda: plain_weights(torch.float16),
    "bfloat16": lambda: plain_weights(torch.bfloat16),
    "shared": _shared,
    "parameters": _parameters,
    "module.": _of_processes,
}


def _optimizer(weights: Weights) -> dict[str, Any]:
    state = {i: {"momentum_buffer": torch.ones(2) * i} for i in range(len(weights))}
    group = {"lr": 0.01, "momentum": 0.9, "nesterov": False, "params": list(state)}
    return {"state": state, "param_groups": [group]}


def _old_meta() -> dict[str, Any]:
    """As MMDetection 2.x writes it."""
    return {
        "env_info": "sys.platform: linux\nPython: 3.7.10",
        "mmdet_version": "2.18.0+8c34a5c",
        "config": TEXT,
        "seed": None,
        "exp_name": "retinanet_r50_fpn_1x_coco.py",
        "epoch": 12,
        "iter": 87964,
        "time": "Mon Aug 30 12:00:00 2021",
        "CLASSES": ("person", "bicycle"),
        "PALETTE": [(220, 20, 60), (119, 11, 32)],
        "hook_msgs": {"best_score": np.float64(0.365), "best_ckpt": "work_dirs/best.pth"},
    }


def _new_meta() -> dict[str, Any]:
    """As MMEngine writes it for MMDetection 3.x."""
    classes = {"classes": ("person", "bicycle"), "palette": np.arange(6).reshape(2, 3)}
    return {
        "cfg": TEXT,
        "dataset_meta": classes,
        "seed": 1234,
        "experiment_name": "retinanet_r50_20220901_120000",
        "mmengine_version": "0.3.1",
        "time": "20220901_120000",
        "epoch": 12,
        "iter": np.int64(87964),
    }


def _hub() -> dict[str, Any]:
    return {
        "log_scalars": {"train/loss": HistoryBuffer([2.0, 1.5, 1.0], [1, 1, 1])},
        "runtime_info": {"lr": np.float64(1e-4), "cfg": TEXT, "keep_ckpt_ids": [11, 12]},
        "resumed_keys": {"train/loss": True},
    }


def _trained(weights: Weights) -> dict[str, Any]:
    schedule = {"last_step": 12, "milestones": {8: 1, 11: 1}, "gamma": 0.1}
    return {
        "meta": _new_meta(),
        "state_dict": weights,
        "message_hub": _hub(),
        "optimizer": _optimizer(weights),
        "param_schedulers": [schedule],
    }


def _averaged(weights: Weights) -> dict[str, Any]:
    average = OrderedDict({"steps": torch.tensor(5)})
    average.update((f"module.{key}", value) for key, value in weights.items())
    return {**_trained(weights), "ema_state_dict": average}


LAYOUTS: dict[str, Callable[[Weights], Any]] = {
    "torchvision": lambda weights: weights,
    "2.x, published": lambda weights: {"meta": _old_meta(), "state_dict": weights},
    "2.x, training": lambda weights: {
        "meta": _old_meta(),
        "state_dict": weights,
        "optimizer": _optimizer(weights),
    },
    "3.x, published": lambda weights: {"meta": _new_meta(), "state_dict": weights},
    "3.x, training": _trained,
    "3.x, with averaged weights": _averaged,
}
