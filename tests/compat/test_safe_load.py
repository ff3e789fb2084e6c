import contextlib
import os
import pickle
import re
import zipfile

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim import scheduler as schedulers
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

from retina_plugin.compat.safe_load import (
    allowed_globals,
    named_method,
    one_cycle,
    plain_dtype,
    read_checkpoint,
)
from retina_plugin.errors import UserError


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.fixture
def file(tmp_path):
    return tmp_path / "epoch_1.pth"


def mmengine_checkpoint():
    """What MMEngine writes besides weights: the history of the log, counters, plain values."""
    return {
        "state_dict": {"weight": torch.arange(6.0).view(2, 3)},
        "meta": {"epoch": 1, "classes": ("a", "b"), "palette": np.arange(6).reshape(2, 3)},
        "message_hub": {
            "log_scalars": {"loss": HistoryBuffer([2.0, 1.0], [1, 1])},
            "runtime_info": {"lr": np.float64(0.01), "iter": np.int64(3), "flag": np.bool_(True)},
        },
    }


def check(loaded):
    expected = mmengine_checkpoint()
    assert torch.equal(loaded["state_dict"]["weight"], expected["state_dict"]["weight"])
    assert np.array_equal(loaded["meta"].pop("palette"), expected["meta"].pop("palette"))
    assert loaded["meta"] == expected["meta"]
    hub = loaded["message_hub"]
    assert hub["runtime_info"] == expected["message_hub"]["runtime_info"]
    loss = hub["log_scalars"]["loss"]
    assert [loss.statistics(name) for name in ("min", "max", "current", "mean")] == [1, 2, 1, 1.5]


def test_a_checkpoint_of_mmengine_comes_back_whole(file):
    torch.save(mmengine_checkpoint(), file)
    check(read_checkpoint(file))


def test_buffers_that_were_read_before_any_was_made_have_their_statistics(file, monkeypatch):
    torch.save(mmengine_checkpoint(), file)
    monkeypatch.setattr(HistoryBuffer, "_statistics_methods", {})
    check(read_checkpoint(file))


@pytest.mark.parametrize("core", [b"numpy.core.", b"numpy._core."], ids=["numpy 1", "numpy 2"])
def test_a_checkpoint_written_under_another_numpy_comes_back_whole(file, tmp_path, core):
    torch.save(mmengine_checkpoint(), tmp_path / "here.pth")
    with zipfile.ZipFile(tmp_path / "here.pth") as here, zipfile.ZipFile(file, "w") as there:
        for name in here.namelist():
            content = here.read(name)
            assert not name.endswith("data.pkl") or re.search(rb"numpy\._?core\.", content)
            there.writestr(name, re.sub(rb"numpy\._?core\.", core, content))
    check(read_checkpoint(file))


def test_a_history_without_entries_comes_back(file):
    torch.save({"loss": HistoryBuffer(), "palette": np.empty((0, 3))}, file)
    loaded = read_checkpoint(file)
    assert loaded["palette"].shape == (0, 3)
    loaded["loss"].update(2.0)
    assert loaded["loss"].mean() == 2


def test_tensors_go_where_map_location_says(file):
    torch.save({"weight": torch.ones(2)}, file)
    assert read_checkpoint(file, "meta")["weight"].device.type == "meta"


@pytest.mark.parametrize("environment", ["0", "1"])
def test_a_function_that_a_file_names_is_not_called(file, tmp_path, monkeypatch, environment):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", environment)
    marker = tmp_path / "executed"
    torch.save({"meta": Call(os.mkdir, str(marker))}, file)
    with pytest.raises(
        UserError, match=r"epoch_1\.pth was not loaded, .* asks for (posix|nt)"
    ) as e:
        read_checkpoint(file)
    assert not marker.exists()
    assert "\n" not in str(e.value)
    assert "weights_only" not in str(e.value)


@pytest.mark.parametrize(
    "call",
    [
        Call(getattr, HistoryBuffer, "__init__"),
        Call(getattr, {}, "update"),
        Call(np.dtype, "O"),
        Call(np.dtype, "V4"),
    ],
)
def test_stand_ins_serve_a_checkpoint_only(file, call):
    torch.save({"meta": call}, file)
    with pytest.raises(UserError, match="asks for (builtins.getattr|numpy.dtype)"):
        read_checkpoint(file)


def test_what_other_code_allows_in_pytorch_is_not_allowed_here(file):
    torch.save({"meta": Call(getattr, {}, "update")}, file)
    allow = getattr(torch.serialization, "safe_globals", None)
    allowed = allow([getattr, os.mkdir]) if allow else contextlib.nullcontext()
    with allowed, pytest.raises(UserError, match="builtins.getattr"):
        read_checkpoint(file)


def test_a_file_does_not_change_the_statistics_of_other_buffers(file, monkeypatch):
    honest = dict(HistoryBuffer([1.0], [1])._statistics_methods)
    with monkeypatch.context() as patch:
        patch.setitem(HistoryBuffer._statistics_methods, "mean", HistoryBuffer.max)
        patch.setitem(HistoryBuffer._statistics_methods, "other", HistoryBuffer.min)
        torch.save(HistoryBuffer([1.0], [1]), file)
    read_checkpoint(file)
    assert HistoryBuffer._statistics_methods == honest


def test_statistics_are_served_by_name():
    assert named_method(HistoryBuffer, "mean") is HistoryBuffer.mean


def test_types_of_numbers_and_text_are_plain():
    assert [plain_dtype(code).kind for code in ("f8", "<i4", "b1", "U3")] == list("fibU")


def test_no_function_of_the_interpreter_is_allowed():
    functions = [name[0] if isinstance(name, tuple) else name for name in allowed_globals()]
    assert not {getattr, setattr, eval, exec, np.dtype} & set(functions)


def damaged(content):
    return {
        "empty": b"",
        "text": b"hello there\n" * 9,
        "page": b"<!DOCTYPE html>",
        "half": content[: len(content) // 2],
        "noise": bytes(range(256)),
    }


@pytest.mark.parametrize("kind", damaged(b""))
def test_a_damaged_file_is_named_in_one_sentence(file, kind):
    torch.save({"weight": torch.ones(100)}, file)
    file.write_bytes(damaged(file.read_bytes())[kind])
    with pytest.raises(UserError, match=r"epoch_1\.pth cannot be read .* copy or download") as e:
        read_checkpoint(file)
    assert "\n" not in str(e.value)


def test_a_missing_file_is_named(file):
    with pytest.raises(UserError, match=r"epoch_1\.pth does not exist"):
        read_checkpoint(file)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ConstantLR", {}),
        ("CosineAnnealingLR", {"T_max": 5}),
        ("CosineRestartLR", {"periods": [5], "restart_weights": [1.0], "eta_min": 0.0}),
        ("ExponentialLR", {"gamma": 0.9}),
        ("LinearLR", {}),
        ("MultiStepLR", {"milestones": [2, 4]}),
        ("OneCycleLR", {"eta_max": 0.1, "total_steps": 5}),
        ("OneCycleLR", {"eta_max": 0.1, "total_steps": 5, "anneal_strategy": "linear"}),
        ("PolyLR", {}),
        ("StepLR", {"step_size": 2}),
    ],
)
def test_the_state_of_every_schedule_comes_back(name, options, file):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    state = getattr(schedulers, name)(optimizer, **options).state_dict()
    torch.save({"param_schedulers": [state]}, file)
    assert read_checkpoint(file)["param_schedulers"] == [state]


@pytest.mark.parametrize("name", ["_annealing_cos", "_annealing_linear"])
def test_only_the_annealing_functions_of_the_one_cycle_schedule_are_served(name):
    assert named_method(one_cycle, name) is getattr(OneCycleParamScheduler, name)
    with pytest.raises(pickle.UnpicklingError):
        named_method(one_cycle, "__init__")


def test_the_one_cycle_schedule_cannot_be_built_by_a_file(file):
    torch.save({"evil": Call(OneCycleParamScheduler, "optimizer", "lr", 0.1)}, file)
    with pytest.raises(UserError, match="asks for OneCycleParamScheduler"):
        read_checkpoint(file)


def test_weights_with_one_bit_changed_are_refused(file):
    torch.save({"weight": torch.arange(3000.0)}, file)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"epoch_1\.pth cannot be read .*checksum of its part"):
        read_checkpoint(file)


def test_a_folder_is_said_to_be_one(tmp_path):
    with pytest.raises(UserError, match="is a folder"):
        read_checkpoint(tmp_path)


def test_a_config_in_a_checkpoint_is_kept_as_text_that_nobody_executes(file):
    """MMEngine executes `meta.config` when it resumes."""
    torch.save({"meta": {"config": "import os", "epoch": 1}}, file)
    assert read_checkpoint(file)["meta"] == {"cfg": "import os", "epoch": 1}
    torch.save({"meta": {"config": "import os", "cfg": "a = 1"}}, file)
    assert read_checkpoint(file)["meta"] == {"cfg": "a = 1"}


def test_an_address_is_named_instead_of_its_copy(file):
    torch.save({"meta": Call(os.mkdir, "a")}, file)
    with pytest.raises(UserError, match=r"checkpoint s3://a/b\.pth was not loaded"):
        read_checkpoint(file, name="s3://a/b.pth")
