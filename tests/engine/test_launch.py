import itertools
import pickle
import re
import weakref
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from torch import distributed as torch_distributed

from retina_plugin.engine import launch
from retina_plugin.engine.budget import stopwatch
from retina_plugin.errors import Stopped, UserError


def arguments(config, *options, **others):
    defaults = {"work_dir": None, "launcher": "none", "local_rank": 0, "cfg_options": options}
    return SimpleNamespace(config=str(config), **{**defaults, **others})


@pytest.fixture
def config_file(tiny_config, tmp_path):
    path = tmp_path / "tiny.py"
    tiny_config().dump(path)
    return path


RUNS = itertools.count()


def fresh_visualizer():
    """MMEngine warns where two runs of one process share a visualizer's name."""
    return f"visualizer.name=run{next(RUNS)}"


def train(config_file, *options, **others):
    options = (*options, fresh_visualizer())
    defaults = {"resume": None, "amp": False}
    return launch.train(**vars(arguments(config_file, *options, **{**defaults, **others})))


def evaluate(config_file, checkpoint, *options, **others):
    defaults = {"out": None, "show": False, "show_dir": None, "wait_time": 2.0, "tta": False}
    given = arguments(config_file, *options, fresh_visualizer(), **{**defaults, **others})
    return launch.test(checkpoint=str(checkpoint), **vars(given))


@pytest.fixture
def trained(config_file, tmp_path):
    assert train(config_file) == 0
    return tmp_path / "work" / "epoch_1.pth"


def test_options_are_parsed_as_mmengine_does(config_file):
    cfg = launch.read_config(arguments(config_file, "a.b=1", "c=(1,x)", "d=None"))
    assert (cfg.a.b, cfg.c, cfg.d) == (1, (1, "x"), None)


def test_the_work_dir_is_the_typed_one_then_the_configs_then_the_files_name(tmp_path):
    path = tmp_path / "name.py"
    path.write_text("a = 1")
    assert launch.read_config(arguments(path)).work_dir == "work_dirs/name"
    path.write_text("work_dir = 'mine'")
    assert launch.read_config(arguments(path)).work_dir == "mine"
    assert launch.read_config(arguments(path, work_dir="typed")).work_dir == "typed"


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (None, (), "there is no config file"),
        ("a = (", (), "SyntaxError"),
        ("_base_ = 'gone.py'", (), "gone.py"),
        ("a = b", (), "NameError"),
        ("a = 1 / 0", (), "ZeroDivisionError"),
        ("raise ImportError('gone')", (), "ImportError: gone"),
        ("raise SystemExit(3)", (), "SystemExit: 3"),
        ("assert False", (), "AssertionError"),
        ("a = 1", ("a",), "expects KEY=VALUE, not a"),
        ("a = [1]", ("a.3=2",), "--cfg-options a.3=2: .*Index 3"),
        ("a = [1]", ("a.0.b=2",), r"--cfg-options a.0.b=2: .*\(AttributeError"),
        ("a = [1]", ("a.b=2",), "--cfg-options a.b=2:"),
    ],
)
def test_a_config_that_cannot_be_read_is_one_sentence(tmp_path, text, options, message):
    path = tmp_path / "a.py"
    if text:
        path.write_text(text)
    with pytest.raises(UserError, match=message):
        launch.read_config(arguments(path, *options))


def test_an_option_that_does_not_fit_is_named_and_a_fault_without_options_is_not_hidden(
    config_file,
):
    given = arguments(config_file, "model.backbone=-1")
    with pytest.raises(UserError, match="--cfg-options model.backbone=-1: the config cannot be"):
        launch.completed(launch.read_config(given), ("train",), given)
    plain = arguments(config_file)
    cfg = launch.read_config(plain)
    cfg.model.backbone = -1
    with pytest.raises(AttributeError):
        launch.completed(cfg, ("train",), plain)


def test_a_checkpoint_is_a_file_or_an_address(tmp_path):
    (tmp_path / "a.pth").touch()
    assert launch.existing_checkpoint(f"{tmp_path}/a.pth", "k") == f"{tmp_path}/a.pth"
    assert launch.existing_checkpoint("https://x.org/a.pth", "k") == "https://x.org/a.pth"
    with pytest.raises(UserError, match="k: there is no file gone.pth"):
        launch.existing_checkpoint("gone.pth", "k")


def test_resuming_needs_something_to_resume_unless_auto(tmp_path):
    cfg = Config({"work_dir": str(tmp_path)})
    with pytest.raises(UserError, match="no checkpoint in .* --resume auto"):
        launch.ask_to_resume(cfg, "latest")
    cfg.load_from = "detector.pth"
    launch.ask_to_resume(cfg, "auto")
    assert (cfg.get("resume", False), cfg.load_from) == (False, "detector.pth")


def test_a_resumed_run_keeps_what_it_was_started_from(tmp_path):
    """The second resume finds a config that is one of a resumed run."""
    for name in ("a.pth", "b.pth"):
        (tmp_path / name).touch()
    cfg = Config({"work_dir": str(tmp_path), "load_from": "detector.pth"})
    for name in ("a.pth", "b.pth"):
        launch.ask_to_resume(cfg, f"{tmp_path}/{name}")
    assert cfg.load_from == f"{tmp_path}/b.pth"
    assert cfg.started_from == "detector.pth"


def test_a_named_checkpoint_is_resumed_from(tmp_path):
    (tmp_path / "a.pth").touch()
    cfg = Config({"work_dir": str(tmp_path)})
    launch.ask_to_resume(cfg, f"{tmp_path}/a.pth")
    assert (cfg.resume, cfg.load_from) == (True, f"{tmp_path}/a.pth")
    with pytest.raises(UserError, match="--resume: there is no file gone"):
        launch.ask_to_resume(cfg, "gone")


def test_augmentation_wraps_the_model_and_needs_both_keys():
    loader = {"dataset": {"pipeline": []}}
    keys = {"tta_model": {"type": "T"}, "tta_pipeline": [1], "model": {"type": "M"}}
    cfg = launch.augmented(Config({**keys, "test_dataloader": loader}))
    assert cfg.model == {"type": "T", "module": {"type": "M"}}
    assert cfg.test_dataloader.dataset.pipeline == [1]
    with pytest.raises(UserError, match="--tta: the config has no tta_pipeline"):
        launch.augmented(Config({"tta_model": {}}))


def test_weights_are_checked_in_configs_that_do_not_inherit_ours(monkeypatch):
    monkeypatch.setattr(launch.Runner, "from_cfg", lambda cfg: cfg)
    cfg = launch.start(Config({"launcher": "none", "default_hooks": {"a": {"type": "A"}}}))
    assert list(cfg.default_hooks) == ["a", "loaded_weights"]


@pytest.mark.slow
def test_training_writes_a_checkpoint_and_goes_on_from_it(config_file, trained):
    assert trained.is_file()
    assert train(config_file, "train_cfg.max_epochs=2", resume="latest") == 0
    assert (trained.parent / "epoch_2.pth").is_file()


class Fails(Hook):
    """Ends a training in its first iteration."""

    def __init__(self, error):
        self.error = error

    def after_train_iter(self, *args, **kwargs):
        raise self.error


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Grad strides do not match bucket view strides")
@pytest.mark.skipif(torch.cuda.is_available(), reason="joins through gloo without a GPU")
@pytest.mark.parametrize(
    ("error", "code", "is_open"),
    [(None, 0, False), (Stopped("stopped.", 15), 143, True), (UserError("broken."), 1, True)],
)
def test_the_group_is_left_after_a_success_only(
    config_file, one_process, monkeypatch, error, code, is_open
):
    """After an error the others may be waiting in it; after a stop there is no time."""
    models, launch_start, close = [], launch.start, torch_distributed.destroy_process_group

    def start(cfg):
        runner = launch_start(cfg)
        models.append(weakref.ref(runner.model))
        if error:
            runner.register_hook(Fails(error))
        return runner

    def close_after_the_reducer():
        models.append(models.pop()())  # to close before it is gone can hang
        close()

    monkeypatch.setattr(launch, "start", start)
    with monkeypatch.context() as until_closed:
        until_closed.setattr(torch_distributed, "destroy_process_group", close_after_the_reducer)
        assert train(config_file, launcher="pytorch") == code
    assert torch_distributed.is_initialized() is is_open
    assert is_open or models == [None]


@pytest.mark.slow
def test_mixed_precision_trains_on_whatever_there_is(config_file, tmp_path):
    assert train(config_file, amp=True) == 0
    written = Config.fromfile(tmp_path / "work" / config_file.name)
    assert written.optim_wrapper.type == "retina_plugin.MixedPrecisionOptimWrapper"


@pytest.mark.slow
@pytest.mark.parametrize("tta", [False, True])
def test_evaluation_writes_detections_and_pictures(config_file, trained, tmp_path, tta):
    out = tmp_path / "out.pkl"
    shown = {"show_dir": "drawn", "out": str(out), "tta": tta}
    assert evaluate(config_file, trained, **shown) == 0
    assert len(pickle.loads(out.read_bytes())) == 2
    assert len(list(trained.parent.glob("*/drawn/*.png"))) == 2


def test_a_result_file_of_another_kind_is_an_error(config_file, tmp_path, capsys):
    (tmp_path / "a.pth").touch()
    assert evaluate(config_file, tmp_path / "a.pth", out="a.json") == 1
    assert "--out expects a name that ends in .pkl" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    [
        "val_dataloader.dataset.ann_file=gone.json",
        "model.bbox_head.num_classes=7",
        "model.neck.type=NoNeck",
        "train_dataloader.dataset.data_root=gone",
        "minutes=0",
        "minutes=soon",
        "minutes=nan",
        "minutes=3 train_cfg.max_epochs=4",
        "minutes=3 param_scheduler.1.type=ReduceOnPlateauLR",
    ],
)
def test_a_mistake_is_said_before_anything_is_written(config_file, tmp_path, capsys, option):
    assert train(config_file, *option.split()) == 1
    assert re.match("error: (?!unexpected)", capsys.readouterr().err.splitlines()[-1])
    assert not (tmp_path / "work").exists()


@pytest.fixture
def ticking(monkeypatch):
    """A clock on which a fifth of a second passes between any two looks."""
    ticks = itertools.count()
    monkeypatch.setattr(stopwatch, "clock", lambda: next(ticks) / 5)
    return lambda: next(ticks) / 5


@pytest.mark.slow
def test_a_detector_trains_for_minutes_and_goes_on_with_more(config_file, tmp_path, ticking):
    """A config of epochs; its one epoch is the whole training, however long that is."""
    assert train(config_file, "minutes=0.5") == 0
    assert ticking() <= 30
    (first,) = (tmp_path / "work").glob("iter_*.pth")
    assert list((tmp_path / "work").glob("best_coco_bbox_mAP_iter_*.pth"))
    saved = Config.fromfile(tmp_path / "work" / config_file.name)
    assert (saved.minutes, saved.train_cfg.max_epochs) == (0.5, 1)
    assert train(config_file, "minutes=0.6", resume="latest") == 0  # is done
    assert list((tmp_path / "work").glob("iter_*.pth")) == [first]


@pytest.mark.slow
def test_the_time_before_the_imports_counts(config_file, capsys, ticking):
    assert train(config_file, "minutes=1", began=-60.0) == 1
    assert "error: minutes=1 is too short: 6" in capsys.readouterr().err


def test_a_beginning_that_is_not_known_and_other_loops_stay_as_they_are():
    for loop, began, wanted in [
        ({"type": launch.BUDGET_LOOP}, 3.0, {"type": launch.BUDGET_LOOP, "began": 3.0}),
        ({"type": launch.BUDGET_LOOP}, None, {"type": launch.BUDGET_LOOP}),
        ({"type": "OtherLoop"}, 3.0, {"type": "OtherLoop"}),
        (None, 3.0, None),
    ]:
        runner = SimpleNamespace(_train_loop=loop)
        launch.count_from(runner, began)
        assert runner._train_loop == wanted


@pytest.mark.slow
def test_a_checkpoint_that_does_not_fit_is_one_sentence(config_file, trained, tmp_path, capsys):
    checkpoint = torch.load(trained, weights_only=False)
    weights = checkpoint["state_dict"]
    weights["bbox_head.retina_cls.bias"] = weights["bbox_head.retina_cls.bias"].repeat(2)
    other = tmp_path / "other.pth"
    torch.save(checkpoint, other)
    assert evaluate(config_file, other) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert re.match(r"error: The checkpoint \S+other.pth does not fit .*num_classes", said)
    assert train(config_file, "train_cfg.max_epochs=2", resume=str(other)) == 1
    assert train(config_file, f"load_from={other}") == 0


@pytest.mark.slow
def test_pickled_annotations_are_one_sentence(config_file, tmp_path, capsys):
    (tmp_path / "a.pkl").write_bytes(b"")
    assert train(config_file, f"val_evaluator.ann_file={tmp_path}/a.pkl") == 1
    assert "error: val_evaluator.ann_file: " in capsys.readouterr().err
