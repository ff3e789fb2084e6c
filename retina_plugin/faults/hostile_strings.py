"""Checkpoints of plain values only, some of which MMEngine executes, or takes for its own paths."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from mmdet.apis import DetInferencer
from mmengine.config import ConfigDict
from mmengine.infer.infer import BaseInferencer
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import load_from_local

from .hostile import Hostile, Opening, Scene
from .hostile_pickles import command
from .small_training import small_runner


def _changed(scene: Scene, change: Callable[[dict[str, Any]], None]) -> Path:
    """A checkpoint of a small training with a change."""
    small_runner(scene.folder / "first", train_cfg={"by_epoch": True, "max_epochs": 1}).train()
    checkpoint = CheckpointLoader.load_checkpoint(str(scene.folder / "first" / "epoch_1.pth"))
    # What is left is what stock's own reader takes.
    hub = checkpoint["message_hub"]
    hub["log_scalars"].clear()
    kept = {key: value for key, value in hub["runtime_info"].items() if type(value) in (int, str)}
    hub["runtime_info"] = kept
    change(checkpoint)
    torch.save(checkpoint, scene.folder / "evil.pth")
    return scene.folder / "evil.pth"


def _resume(scene: Scene, change: Callable[[dict[str, Any]], None], is_ours: bool) -> None:
    """Resume; where the path of a file outside comes along, a hook would remove that."""
    path = _changed(scene, change)
    options: dict[str, Any] = {} if is_ours else {"default_hooks": {}}
    schemes = {} if is_ours else {"": load_from_local}
    with mock.patch.dict(CheckpointLoader._schemes, schemes):
        runner = small_runner(scene.folder / "second", load_from=str(path), resume=True, **options)
        runner.train()
    if runner.message_hub.get_info("best_ckpt") == _precious(scene):
        scene.mark.mkdir()


def _precious(scene: Scene) -> str:
    return str(scene.folder / "precious")


def _both(change: Callable[[Scene, dict], None], scene: Scene) -> tuple[Opening, Opening]:
    def run(is_ours: bool) -> None:
        _resume(scene, partial(change, scene), is_ours)

    return partial(run, True), partial(run, False)


def _config(scene: Scene, checkpoint: dict[str, Any]) -> None:
    checkpoint["meta"]["config"] = command(scene.mark)


def _best(scene: Scene, checkpoint: dict[str, Any]) -> None:
    checkpoint["message_hub"]["runtime_info"]["best_ckpt"] = _precious(scene)


def _inferencer(content: Callable[[str], dict], scene: Scene) -> tuple[Opening, Opening]:
    path = scene.folder / "evil.pth"
    weights = {"state_dict": {"weight": torch.ones(1)}}
    torch.save({**weights, **content(command(scene.mark))}, path)
    stock: Any = BaseInferencer._init_model
    return (
        partial(DetInferencer, weights=str(path)),
        partial(stock.__wrapped__, SimpleNamespace(), ConfigDict(), str(path)),
    )


def _names(scene: Scene) -> tuple[Opening, Opening]:
    """Names that clear a terminal, or leave a folder."""
    path = scene.folder / "evil.pth"
    torch.save({"state_dict": {"\x1b[2J../../a\n": torch.ones(1)}}, path)

    def opening(**options: Any) -> Opening:
        return lambda: small_runner(scene.folder / "second", load_from=str(path), **options).train()

    return opening(), opening(default_hooks={})


KINDS = (
    Hostile("code in meta.config, resumed", partial(_both, _config), None),
    Hostile("path of another's file as the best, resumed", partial(_both, _best), None),
    Hostile(
        "code in message_hub's cfg, inferencer",
        partial(_inferencer, lambda text: {"message_hub": {"runtime_info": {"cfg": text}}}),
        "no config.* model=CONFIG",
    ),
    Hostile(
        "code in meta.cfg, inferencer",
        partial(_inferencer, lambda text: {"meta": {"cfg": text}}),
        "no config.* model=CONFIG",
    ),
    Hostile("names of weights", _names, "holds no model"),
)
