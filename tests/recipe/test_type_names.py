"""A config in MMEngine's pure Python style is the same to us as one that names its types."""

import pytest
from mmdet.datasets import CocoDataset as MMDetCocoDataset
from mmengine.config import Config
from mmengine.model import PretrainedInit
from torch.optim import SGD

from retina_plugin.data import CocoDataset
from retina_plugin.recipe import resolve
from retina_plugin.recipe.type_names import name_types, registered_name

LAZY = """
from mmdet.evaluation import CocoMetric
from mmengine.config import read_base
from mmengine.optim import OptimWrapper
from retina_plugin.detector import RetinaNet
from torch.optim import SGD

with read_base():
    from .base import *

model.update(type=RetinaNet)
val_evaluator.update(type=CocoMetric)
optim_wrapper.update(type=OptimWrapper, optimizer=dict(type=SGD, lr=0.01))
"""


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (CocoDataset, "retina_plugin.CocoDataset"),
        (MMDetCocoDataset, "mmdet.CocoDataset"),
        (SGD, "SGD"),
        (PretrainedInit, "Pretrained"),  # ours is registered in its place
        (Config, Config),
        ("mmdet.RetinaNet", "mmdet.RetinaNet"),
    ],
)
def test_a_class_has_the_name_by_which_a_config_reaches_it(kind, name):
    assert registered_name(kind) == name


def test_types_are_named_however_deep():
    cfg = Config({"a": {"type": SGD, "b": [{"type": SGD}, ({"type": CocoDataset}, 3)]}})
    assert name_types(cfg) == []
    inner = [{"type": "SGD"}, ({"type": "retina_plugin.CocoDataset"}, 3)]
    assert cfg.to_dict() == {"a": {"type": "SGD", "b": inner}}


def test_classes_in_a_config_resolve_as_their_names_do(load, tmp_path):
    named = load("retinanet_r18")
    named.optim_wrapper = {"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.01}}
    named.dump(tmp_path / "base.py")
    (tmp_path / "lazy.py").write_text(LAZY)
    lazy = resolve(Config.fromfile(tmp_path / "lazy.py"), say=None)
    expected = resolve(named, say=None)
    assert lazy.model.type == "retina_plugin.RetinaNet"
    assert lazy.val_evaluator == expected.val_evaluator  # ours, in the place of MMDetection's
    assert lazy.optim_wrapper.optimizer == expected.optim_wrapper.optimizer
    lazy.dump(tmp_path / "whole.py")
    assert Config.fromfile(tmp_path / "whole.py").optim_wrapper.optimizer.type == "SGD"
