import importlib.util
import json
import pickle
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from retina_plugin.compat import mmcv_ext
from retina_plugin.errors import UserError

COMPILED = json.loads((Path(__file__).parent / "compiled_mmcv.json").read_text())


def cases(name):
    return pytest.mark.parametrize("case", COMPILED[name])


@pytest.fixture
def ext():
    return mmcv_ext.build()


@pytest.fixture
def boxes():
    return torch.tensor(COMPILED["boxes"]), torch.tensor(COMPILED["scores"])


@cases("nms")
def test_nms_equals_the_compiled_operator(ext, boxes, case):
    assert ext.nms(*boxes, **case["arguments"]).tolist() == case["kept"]


@cases("softnms")
def test_softnms_equals_the_compiled_operator(ext, boxes, case):
    dets = torch.zeros(len(boxes[0]), 5)
    kept = ext.softnms(*boxes, dets, **case["arguments"])
    assert kept.tolist() == case["kept"]
    assert dets[: len(kept), 4].tolist() == pytest.approx(case["scores"], abs=2e-5)
    assert torch.equal(dets[: len(kept), :4], boxes[0][kept])


@cases("roi_align")
def test_roi_align_equals_the_compiled_operator(ext, case):
    features, rois = torch.tensor(COMPILED["features"]), torch.tensor(COMPILED["rois"])
    grad = torch.tensor(COMPILED["grad"])
    output, argmax_y, argmax_x = (torch.zeros_like(grad) for _ in range(3))
    ext.roi_align_forward(features, rois, output, argmax_y, argmax_x, **case["arguments"])
    assert output.flatten().tolist() == pytest.approx(case["output"], abs=2e-5)
    if "argmax_y" in case:
        assert argmax_y.flatten().tolist() == pytest.approx(case["argmax_y"], abs=2e-5)
        assert argmax_x.flatten().tolist() == pytest.approx(case["argmax_x"], abs=2e-5)
    grad_input = torch.zeros_like(features)
    ext.roi_align_backward(grad, rois, argmax_y, argmax_x, grad_input, **case["arguments"])
    assert grad_input.flatten().tolist() == pytest.approx(case["grad_input"], abs=2e-5)


def test_an_operator_without_stand_in_fails_when_called_and_not_before(ext):
    operator = ext.deform_conv_forward
    assert operator.__name__ == "deform_conv_forward"
    with pytest.raises(UserError, match=r"operator deform_conv_forward .*mmcv-lite.*compiled"):
        operator(torch.zeros(1), kW=3)
    assert issubclass(mmcv_ext.MissingOperatorError, NotImplementedError)


def test_private_names_are_absent(ext):
    assert not hasattr(ext, "__path__")
    with pytest.raises(AttributeError, match="__wrapped__"):
        mmcv_ext.missing("__wrapped__")


def test_the_environment_report_has_words_for_the_compilers(ext):
    assert "retina_plugin" in ext.get_compiler_version()
    assert ext.get_compiling_cuda_version() == "not available"


def test_the_module_does_not_pass_for_compiled_operators(monkeypatch, ext):
    monkeypatch.setitem(sys.modules, mmcv_ext.NAME, ext)
    assert importlib.util.find_spec(mmcv_ext.NAME).loader is None


def test_a_missing_module_is_put_in_place(monkeypatch):
    monkeypatch.setitem(sys.modules, mmcv_ext.NAME, None)  # Python: ModuleNotFoundError
    mmcv_ext.install()
    assert callable(sys.modules[mmcv_ext.NAME].nms)


def test_compiled_operators_stay_untouched(monkeypatch):
    compiled = ModuleType(mmcv_ext.NAME)
    monkeypatch.setitem(sys.modules, mmcv_ext.NAME, compiled)
    mmcv_ext.install()
    assert sys.modules[mmcv_ext.NAME] is compiled
    assert not hasattr(compiled, "nms")


def test_compiled_operators_that_do_not_load_are_replaced_with_a_warning(monkeypatch):
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == mmcv_ext.NAME:
                raise ImportError("undefined symbol: _ZN3c10", name=name)

    monkeypatch.setitem(sys.modules, mmcv_ext.NAME, None)
    monkeypatch.delitem(sys.modules, mmcv_ext.NAME)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.warns(UserWarning, match=r"undefined symbol: _ZN3c10.*rebuild mmcv"):
        mmcv_ext.install()
    assert callable(sys.modules[mmcv_ext.NAME].nms)


def test_the_error_survives_a_data_loader_process():
    error = pickle.loads(pickle.dumps(mmcv_ext.MissingOperatorError("one sentence")))
    assert str(error) == "one sentence"


def test_stand_in_is_told_from_compiled_operators(monkeypatch):
    monkeypatch.setitem(sys.modules, mmcv_ext.NAME, mmcv_ext.build())
    assert mmcv_ext.is_stand_in()
    monkeypatch.setitem(sys.modules, mmcv_ext.NAME, ModuleType("compiled"))
    assert not mmcv_ext.is_stand_in()
