import warnings
from types import SimpleNamespace

import pytest
import torch

from retina_plugin.engine.foreign_weights import ForeignWeightsHook
from retina_plugin.neck import RetinaFPN

STOCK = {"meta": {"config": "model = dict(type='RetinaNet')"}}


@pytest.fixture
def load():
    def build(checkpoint, relu=True, wrapped=False):
        neck = RetinaFPN([8, 8, 8, 8], 8, relu_before_extra_convs=relu)
        model = torch.nn.ModuleDict({"neck": neck})
        model.neck = neck
        outer = SimpleNamespace(module=model) if wrapped else model
        ForeignWeightsHook().after_load_checkpoint(SimpleNamespace(model=outer), checkpoint)

    return build


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("key", ["cfg", "config"])
def test_weights_of_mmdetection_are_warned_of(load, wrapped, key):
    with pytest.warns(UserWarning, match="presets/mmdet.py"):
        load({"meta": {key: "model = dict(type='RetinaNet')"}}, wrapped=wrapped)


@pytest.mark.parametrize(
    "checkpoint",
    [
        {"meta": {"cfg": "type='retina_plugin.RetinaFPN'"}},
        {"meta": {}},
        {"state_dict": {}},
    ],
)
def test_our_own_weights_and_weights_without_a_config_are_not(load, checkpoint):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(checkpoint)


def test_a_neck_without_the_relu_fits_them(load):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(STOCK, relu=False)


def test_a_model_without_our_neck_is_left_alone():
    runner = SimpleNamespace(model=torch.nn.Linear(1, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ForeignWeightsHook().after_load_checkpoint(runner, STOCK)


def test_the_text_of_a_config_is_not_executed(load, tmp_path):
    mark = tmp_path / "ran"
    with pytest.warns(UserWarning, match="presets/mmdet.py"):
        load({"meta": {"config": f"open({str(mark)!r}, 'w')"}})
    assert not mark.exists()
