"""A run goes on with the weights that it was told to, or not at all."""

import copy
from types import SimpleNamespace

import pytest
import torch
from mmengine.runner import BaseLoop
from torch import nn

from retina_plugin.engine.checkpoint import IN_BETWEEN
from retina_plugin.engine.loaded_weights import LoadedWeightsHook
from retina_plugin.engine.resumed_state import keep_to_run
from retina_plugin.errors import UserError
from retina_plugin.faults.small_training import silence, small_runner


class Loop(BaseLoop):
    def __init__(self, classes=None):
        dataset = SimpleNamespace(metainfo={"classes": classes} if classes else {})
        self.dataloader = SimpleNamespace(dataset=dataset)

    def run(self):
        pass


def detector(width=2, classes=3, layers=1):
    model = nn.Module()
    convs = [nn.Conv2d(width if i else 1, width, 1) for i in range(layers)]
    model.backbone = nn.Sequential(*convs, nn.BatchNorm2d(width))
    model.neck = nn.Conv2d(width, 2, 1)
    model.bbox_head = nn.Module()
    model.bbox_head.retina_cls = nn.Conv2d(2, classes, 1)
    return model


def hold(checkpoint, use, model=None, tmp_path=None, classes=None):
    loop = Loop(classes) if use in ("start", "resume") else {"type": "EpochBasedTrainLoop"}
    runner = SimpleNamespace(
        model=model or detector(),
        _train_loop=loop,
        _val_loop={"type": "ValLoop"},
        _test_loop=Loop(classes),
        _resume=use == "resume",
        _load_from="a.pth",
        optim_wrapper=None,
        param_schedulers=None,
        work_dir=str(tmp_path),
        hooks=[],
    )
    LoadedWeightsHook().after_load_checkpoint(runner, checkpoint)


def trained(**options):
    """A checkpoint as MMEngine writes it."""
    return {
        "state_dict": detector(**options).state_dict(),
        "meta": {"epoch": 1, "iter": 5},
        "message_hub": {"log_scalars": {}, "runtime_info": {}, "resumed_keys": {}},
        "optimizer": {"state": {0: {"momentum_buffer": torch.ones(2)}}, "param_groups": []},
    }


@pytest.mark.parametrize("use", ["start", "resume", "test"])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapped", [False, True])
def test_all_of_a_models_own_weights_pass(use, prefix, wrapped, tmp_path, logged):
    checkpoint = trained()
    weights = checkpoint["state_dict"]
    checkpoint["state_dict"] = {prefix + key: value for key, value in weights.items()}
    model = detector()
    if wrapped:
        outer = nn.Module()
        outer.module = model
        model = outer
    hold(checkpoint, use, model, tmp_path)
    assert logged.text == ""


def test_plain_weights_and_those_of_old_counters_are_tested():
    hold(detector().state_dict(), "test")
    weights = detector().state_dict()
    hold({key: v for key, v in weights.items() if "num_batches_tracked" not in key}, "test")


@pytest.mark.parametrize("use", ["resume", "test"])
@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"classes": 4}, r"retina_cls.weight is \(4, 2, 1, 1\) .*num_classes to .* or loss_cls"),
        ({"width": 3}, "backbone.depth"),
        ({"layers": 2}, "backbone.depth"),
    ],
)
def test_a_run_that_needs_all_weights_says_which_differ(options, cause, use, tmp_path):
    with pytest.raises(UserError, match=rf"The checkpoint a.pth does not fit .*{cause}"):
        hold(trained(**options), use, tmp_path=tmp_path)


@pytest.mark.parametrize("use", ["test", "resume"])
def test_the_same_classes_in_another_order_are_an_error(use, tmp_path):
    """All shapes fit, and each detection would count as one of another class."""
    checkpoint = trained()
    checkpoint["meta"]["dataset_meta"] = {"classes": ("cat", "dog", "cow")}
    hold(checkpoint, use, tmp_path=tmp_path, classes=["cat", "dog", "cow"])
    hold(checkpoint, use, tmp_path=tmp_path)  # data without names
    with pytest.raises(UserError, match="classes cat, dog, cow in this order, but those of the d"):
        hold(checkpoint, use, tmp_path=tmp_path, classes=["dog", "cat", "cow"])


@pytest.mark.parametrize(
    ("use", "classes"), [("start", ["dog", "cat", "cow"]), ("test", ["dog", "cat", "pig"])]
)
def test_other_classes_of_that_number_are_said(use, classes, tmp_path, logged):
    checkpoint = trained()
    checkpoint["meta"]["dataset_meta"] = {"classes": ("cat", "dog", "cow")}
    hold(checkpoint, use, tmp_path=tmp_path, classes=classes)
    assert "learned the classes cat, dog, cow in this order, those of the data are" in logged.text


@pytest.mark.parametrize("meta", [None, [], {"dataset_meta": 3}, {"dataset_meta": {"classes": 3}}])
def test_a_checkpoint_that_does_not_know_its_classes_is_tested(meta):
    hold({**trained(), "meta": meta}, "test", classes=["dog"])


def test_missing_weights_stop_a_test():
    weights = detector().state_dict()
    del weights["neck.weight"]
    with pytest.raises(UserError, match="neck.weight is missing"):
        hold({"state_dict": weights}, "test")


def test_other_classes_are_a_start_and_are_said(logged):
    hold(trained(classes=4), "start")
    assert "2 weights keep their initial values: bbox_head.retina_cls.weight" in logged.text


def test_a_backbone_alone_is_a_start(logged):
    model = detector(width=9)
    weights = {k: v for k, v in model.state_dict().items() if k.startswith("backbone.")}
    hold(weights, "start", model)
    assert "4 weights keep their initial values" in logged.text


@pytest.mark.parametrize("options", [{"width": 3}, {"layers": 2}])
def test_another_backbone_is_no_start(options):
    with pytest.raises(UserError, match="another backbone"):
        hold(trained(**options), "start")


@pytest.mark.parametrize("use", ["start", "test"])
def test_foreign_names_fit_nothing(use):
    weights = {f"model.{key}": value for key, value in detector().state_dict().items()}
    with pytest.raises(UserError, match="fits the model in 0%|no name is the same|is missing"):
        hold(weights, use)


def test_weights_of_parts_that_the_model_lacks_are_left_and_said(logged):
    hold({**detector().state_dict(), "teacher.weight": torch.ones(1)}, "test")
    assert "1 weights are not used: teacher.weight" in logged.text


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("use", ["start", "resume", "test"])
def test_a_weight_that_is_not_finite_is_named(value, use, tmp_path):
    checkpoint = trained()
    checkpoint["state_dict"]["neck.weight"][0] = value
    with pytest.raises(UserError, match="its weight neck.weight is not finite"):
        hold(checkpoint, use, tmp_path=tmp_path)


@pytest.mark.parametrize(
    "broken",
    [
        [1],
        {},
        {"state_dict": {}},
        {"state_dict": [1]},
        {"state_dict": {1: torch.ones(1)}},
        {"state_dict": {"neck\x1b[2J\n.weight": torch.ones(1)}},
        {"state_dict": {"neck.weight": "text"}},
        {"state_dict": {"neck.weight": torch.ones(2).to_sparse()}},
        {"state_dict": {"neck.weight": torch.ones(2, device="meta")}},
    ],
)
def test_what_holds_no_weights_is_an_error(broken):
    with pytest.raises(UserError, match="holds no"):
        hold(broken, "start")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("meta", None),
        ("meta", {"epoch": "1", "iter": 5}),
        ("message_hub", {}),
        ("optimizer", "text"),
        ("param_schedulers", 3),
    ],
)
def test_what_is_no_checkpoint_of_a_training_is_not_resumed(key, value, tmp_path):
    with pytest.raises(UserError, match=f"none of a training, because its {key}"):
        hold({**trained(), key: value}, "resume", tmp_path=tmp_path)
    hold({**trained(), key: value}, "start")


def test_an_optimizer_that_is_not_finite_is_named(tmp_path):
    checkpoint = copy.deepcopy(trained())
    checkpoint["optimizer"]["state"][0]["momentum_buffer"][1] = float("nan")
    with pytest.raises(UserError, match=r"its optimizer.state.0.momentum_buffer is not finite"):
        hold(checkpoint, "resume", tmp_path=tmp_path)


def test_a_small_buffer_that_says_it_is_huge_is_not_unfolded(tmp_path):
    checkpoint = trained()
    checkpoint["optimizer"]["state"][0]["momentum_buffer"] = torch.ones(1).expand(10**15)
    with pytest.raises(UserError, match="momentum_buffer"):
        hold(checkpoint, "resume", tmp_path=tmp_path)


@pytest.mark.parametrize("name", ["/etc", "../other", "epoch_1.pth", "iter_2.pth/..", 3, None])
def test_no_file_but_one_of_its_own_is_removed_for_a_checkpoint(name):
    """The one that a stop left between the regular ones goes when the next is written."""
    info = {IN_BETWEEN: name}
    keep_to_run(SimpleNamespace(work_dir="work", hooks=[]), info)
    assert info == {}
    keep_to_run(SimpleNamespace(work_dir="work", hooks=[]), kept := {IN_BETWEEN: "iter_12.pth"})
    assert kept == {IN_BETWEEN: "iter_12.pth"}


def test_paths_in_a_checkpoint_stay_in_the_run(tmp_path, logged):
    """MMEngine removes the file, or the folder, that a checkpoint calls the best so far."""
    work_dir, outside = tmp_path / "work", tmp_path / "outside"
    work_dir.mkdir()
    outside.mkdir()
    (work_dir / "best_moved.pth").touch()
    info = {
        "best_ckpt": str(work_dir / "best_1.pth"),
        "best_ckpt_a": str(outside / "precious.pth"),
        "best_ckpt_b": str(outside),
        "best_ckpt_c": str(work_dir),
        "best_ckpt_d": "/old/work/best_moved.pth",
        "last_ckpt": None,
        "keep_ckpt_ids": ["../1"],
    }
    checkpoint = trained()
    checkpoint["message_hub"]["runtime_info"] = info
    hold(checkpoint, "resume", tmp_path=work_dir)
    assert info == {
        "best_ckpt": str(work_dir / "best_1.pth"),
        "best_ckpt_d": str(work_dir / "best_moved.pth"),
        "last_ckpt": None,
    }
    assert logged.text.count("is forgotten") == 3


def test_averaged_weights_are_resumed_and_tested(tmp_path):
    """An EMA hook saves the average as the state_dict, and swaps both when it resumes."""
    ema = [{"type": "EMAHook"}]
    with silence():
        small_runner(tmp_path, custom_hooks=ema).train()
        later = {"by_epoch": True, "max_epochs": 3}
        runner = small_runner(tmp_path, custom_hooks=ema, resume=True, train_cfg=later)
        runner.train()
    assert runner.iter == 6
