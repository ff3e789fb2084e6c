"""Configs in YAML with code, and configs that name pickles or code."""

import pickle
from functools import partial
from pathlib import Path
from typing import Any

import mmengine
import torch
import yaml
from mmcv.ops import batched_nms
from mmengine.config import Config
from mmengine.fileio.handlers.yaml_handler import YamlHandler

from ..recipe.safe_names import check_safe_names
from .hostile import Hostile, Opening, Scene
from .hostile_pickles import command, make_folder


def _yaml(tag: str, scene: Scene, below: bool = False) -> tuple[Opening, Opening]:
    path = scene.folder / "evil.yaml"
    path.write_text(f"model: !!python/object/{tag}:os.mkdir ['{scene.mark}']\n")
    top = scene.folder / "top.py"
    top.write_text("_base_ = 'evil.yaml'\n")
    return partial(Config.fromfile, top if below else path), partial(_stock_yaml, path)


def _stock_yaml(path: Path) -> object:
    """As MMEngine's handler does by itself."""
    with path.open() as file:
        return YamlHandler().load_from_fileobj(file, Loader=getattr(yaml, "CLoader", yaml.Loader))


def _pickled(key: str, scene: Scene) -> tuple[Opening, Opening]:
    path = scene.folder / "evil.pkl"
    path.write_bytes(pickle.dumps(make_folder(scene.mark)))
    dataset = {"type": "CocoDataset", "ann_file": "a.json", key: str(path)}
    return _checked(train_dataloader={"dataset": dataset}), partial(mmengine.load, str(path))


def _nms(scene: Scene) -> tuple[Opening, Opening]:
    nms: dict[str, Any] = {"type": command(scene.mark), "iou_threshold": 0.5}
    one, number = torch.ones(1, 4), torch.ones(1)
    stock = partial(batched_nms, one, number, number, nms)
    return _checked(model={"test_cfg": {"nms": nms}}), stock


def _checked(**sections: Any) -> Opening:
    return partial(check_safe_names, Config(sections), ("train",))


KINDS = (
    Hostile("YAML, apply", partial(_yaml, "apply"), r"config \S+evil.yaml: .*python"),
    Hostile("YAML, new", partial(_yaml, "new"), r"config \S+evil.yaml: .*python"),
    Hostile(
        "YAML below a config", partial(_yaml, "apply", below=True), r"config \S+evil.yaml: .*python"
    ),
    Hostile("pickled annotations", partial(_pickled, "ann_file"), "evil.pkl is a pickle"),
    Hostile("pickled proposals", partial(_pickled, "proposal_file"), "evil.pkl is a pickle"),
    Hostile("code as the kind of NMS", _nms, "mmcv has no NMS of the name"),
)
