"""The runner that a config names, and MMDetection's tools build."""

import sys

import pytest
from mmengine.config import Config
from mmengine.registry import RUNNERS

from retina_plugin.engine import runner as module
from retina_plugin.engine.runner import OURS, build_runner, end_in_a_sentence, prepared
from retina_plugin.errors import Stopped, UserError
from retina_plugin.faults.tiny_training import without_formatting


@pytest.fixture(autouse=True)
def own_excepthook(monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)


@pytest.fixture
def build(tiny_config):
    """The runner of a tiny config, as MMDetection's tools build it."""
    return lambda **options: RUNNERS.build(without_formatting(config(tiny_config, **options)))


def config(tiny_config, **options):
    cfg = tiny_config(**options)
    cfg.runner_type, cfg.launcher = OURS, "none"
    return cfg


def test_a_config_that_names_it_is_completed_and_guarded(tiny_config):
    cfg = config(tiny_config)
    cfg.default_hooks.pop("guard")
    cfg.val_evaluator.ann_file = ""
    done = prepared(cfg)
    assert done.default_hooks.guard.type == "retina_plugin.GuardHook"
    assert done.val_evaluator.ann_file.endswith("annotations/val.json")
    assert "guard" not in cfg.default_hooks


def test_a_model_that_augments_at_test_time_is_completed_inside(tiny_config):
    """MMDetection's test.py --tta wraps the model before it builds the runner."""
    cfg = config(tiny_config)
    inner = cfg.model
    inner.bbox_head.num_classes = None
    cfg.recipe.read_classes = True
    cfg.model = {**cfg.tta_model, "module": inner}
    done = prepared(cfg)
    assert done.model.type == "DetTTAModel"
    assert done.model.module.bbox_head.num_classes == 2
    assert cfg.model.module.bbox_head.num_classes is None


def test_a_tool_may_set_no_launcher(tiny_config):
    cfg = config(tiny_config)
    cfg.pop("launcher")
    assert prepared(cfg).launcher == "none"
    assert RUNNERS.build(without_formatting(cfg)).distributed is False


def test_the_config_that_is_written_names_it_again(build, tmp_path):
    build()
    (written,) = (tmp_path / "work").glob("*.py")
    assert Config.fromfile(written).runner_type == OURS


@pytest.mark.parametrize(
    ("start", "splits"), [("train", ("train", "val")), ("val", ("val",)), ("test", ("test",))]
)
def test_what_is_used_is_checked_before_it_is_built(build, start, splits, monkeypatch):
    asked = []

    def refuse(cfg, splits):
        asked.append(splits)
        raise UserError("no")

    monkeypatch.setattr(module, "check", refuse)
    runner = build()
    with pytest.raises(UserError):
        getattr(runner, start)()
    assert asked == [splits]


def test_a_signal_ends_a_training_with_its_exit_code(build, monkeypatch, capsys):
    def stopped(_):
        raise Stopped("stopped by SIGTERM.", 15)

    monkeypatch.setattr(module.MMEngineRunner, "train", stopped)
    with pytest.raises(SystemExit) as ended:
        build().train()
    assert ended.value.code == 143
    assert capsys.readouterr().err == "stopped by SIGTERM.\n"


def test_our_own_tools_complete_a_config_once(tiny_config):
    """They have completed and checked it, and said so, before anything was written."""
    assert type(build_runner(config(tiny_config))) is module.MMEngineRunner


def test_another_runner_of_a_config_is_built_by_its_name(tiny_config):
    @RUNNERS.register_module(force=True)
    class RunnerOfTestRunner(module.MMEngineRunner):
        pass

    cfg = tiny_config()
    cfg.runner_type = "RunnerOfTestRunner"
    assert type(build_runner(cfg)) is RunnerOfTestRunner


def test_an_uncaught_mistake_is_one_sentence_and_any_other_error_is_as_before(monkeypatch, capsys):
    others = []
    monkeypatch.setattr(sys, "excepthook", lambda *error: others.append(error))
    end_in_a_sentence()
    hook = sys.excepthook
    end_in_a_sentence()
    assert sys.excepthook is hook
    hook(UserError, UserError("there is no file a."), None)
    assert capsys.readouterr().err == "error: there is no file a.\n"
    error = ValueError("x")
    hook(ValueError, error, None)
    assert others == [(ValueError, error, None)]
