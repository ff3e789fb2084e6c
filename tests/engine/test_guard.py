import json
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from retina_plugin.engine.guard import GuardHook
from retina_plugin.errors import UserError


class Spoil(Hook):
    """Makes an iteration go wrong."""

    priority = "LOWEST"

    def __init__(self, at, how):
        self.at, self.how = at, how

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 in self.at:
            self.how(runner, data_batch)


def spoil_box(runner, batch):
    boxes = batch["data_samples"][0].gt_instances.bboxes.tensor
    boxes[0] = torch.tensor([5.0, 5.0, 5.0, float("inf")])


def spoil_pixels(runner, batch):
    batch["inputs"][1] = batch["inputs"][1].float()
    batch["inputs"][1][0, 3, 3] = float("nan")


def spoil_weight(runner, batch):
    runner.model.bbox_head.retina_cls.weight.data[0, 0, 0, 0] = float("nan")


def spoil_gradient(runner, batch):
    runner.model.bbox_head.retina_reg.bias.register_hook(lambda gradient: gradient * float("nan"))


def spoil_loss(runner, batch):
    runner.model.bbox_head.loss_cls.loss_weight = float("inf")


def mend_loss(runner, batch):
    runner.model.bbox_head.loss_cls.loss_weight = 1.0


@pytest.fixture
def make_runner(tiny_config):
    def build(at, how, **options):
        cfg = tiny_config(**{"train_dataloader.batch_size": 2, **options})
        runner = Runner.from_cfg(cfg)
        runner.register_hook(Spoil(at, how))
        return runner

    return build


def weights(runner):
    return {name: value.clone() for name, value in runner.model.state_dict().items()}


class Remember(Hook):
    """The weights after each iteration; the guard comes before it."""

    priority = "VERY_LOW"

    def __init__(self):
        self.seen = []

    def after_train_iter(self, runner, *_, **__):
        self.seen.append(weights(runner))


WORDS = {
    spoil_pixels: "pixels that are not finite",
    spoil_weight: "bbox_head.retina_cls.weight was not finite before it",
    spoil_gradient: "the gradient of bbox_head.retina_reg.bias overflowed",
    spoil_loss: "activations grew",
}


@pytest.mark.parametrize("how", WORDS)
def test_the_run_stops_with_its_weights_and_a_report(make_runner, how):
    runner = make_runner({2}, how)
    remember = Remember()
    runner.register_hook(remember)
    with pytest.raises(UserError, match="iteration 2 was not finite") as caught:
        runner.train()
    assert WORDS[how] in str(caught.value)
    assert len(remember.seen) == 1
    after, before = weights(runner), remember.seen[0]
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed <= {"bbox_head.retina_cls.weight"} if how is spoil_weight else not changed
    assert list(Path(runner.work_dir).glob("*.pth")) == []
    report = json.loads(next(Path(runner.log_dir).glob("not_finite_iter_2/*.json")).read_text())
    assert [len(image["boxes"]) for image in report["images"]] == [2, 2]
    assert {Path(image["path"]).suffix for image in report["images"]} == {".png"}


def test_losses_of_the_levels_and_positives_are_in_the_report(make_runner):
    runner = make_runner({2}, spoil_gradient)
    with pytest.raises(UserError):
        runner.train()
    report = json.loads(next(Path(runner.log_dir).glob("not_finite_iter_2/*.json")).read_text())
    levels = report["levels"]
    assert [level["stride"] for level in levels] == [8, 16, 32, 64, 128]
    assert sum(level["loss_cls"] for level in levels) == pytest.approx(
        report["losses"]["loss_cls"], rel=1e-3
    )
    assert sum(level["loss_bbox"] for level in levels) == pytest.approx(
        report["losses"]["loss_bbox"], rel=1e-2
    )
    assert sum(sum(level["positives"]) for level in levels) > 0
    assert list(report["gradient_norms"]) == ["bbox_head.retina_reg.bias"]
    assert report["not_computed"] == ""


def test_a_batch_is_left_out_and_counted_where_that_is_the_policy(make_runner, logged):
    runner = make_runner(
        {1}, spoil_pixels, **{"default_hooks.guard.policy": "skip", "train_cfg.max_epochs": 2}
    )
    runner.train()
    log = next(Path(runner.log_dir).glob("*.log")).read_text()
    assert "Left out: iteration 1 was not finite" in log
    assert "1 batches were left out" in log
    assert all(value.isfinite().all() for value in weights(runner).values())


@pytest.mark.filterwarnings("ignore:Detected call of `scheduler.step")  # MMEngine's order
def test_of_a_step_that_accumulates_the_bad_batch_alone_is_blamed(make_runner):
    options = {"default_hooks.guard.policy": "skip", "optim_wrapper.accumulative_counts": 2}
    runner = make_runner({1}, spoil_pixels, **options)
    runner.train()
    log = next(Path(runner.log_dir).glob("*.log")).read_text()
    assert "Left out, with all 2 batches of its step: iteration 1 was not finite" in log
    assert [path.name for path in Path(runner.log_dir).glob("not_finite_*")] == [
        "not_finite_iter_1"
    ]


def test_the_ceiling_of_what_is_left_out_ends_the_run(make_runner):
    options = {"default_hooks.guard.policy": "skip", "default_hooks.guard.max_skipped": 1}
    runner = make_runner({1, 2}, spoil_pixels, **options)
    with pytest.raises(UserError, match="1 were left out before it"):
        runner.train()


def test_a_box_that_is_not_finite_matches_nothing_and_stops_nothing(make_runner):
    runner = make_runner({1}, spoil_box)
    runner.train()


def test_the_plain_forms_are_guarded_too(make_runner):
    runner = make_runner({2}, spoil_pixels, fast=False)
    with pytest.raises(UserError, match="iteration 2 was not finite"):
        runner.train()


def test_too_high_a_rate_is_said(make_runner):
    runner = make_runner({1}, spoil_loss, **{"optim_wrapper.optimizer.lr": 100.0})
    with pytest.raises(UserError, match=r"the learning rate .* times the paper's for 2 images"):
        runner.train()


def test_where_another_wrapper_has_stepped_only_checkpoints_are_said_to_be_as_they_were(
    make_runner,
):
    runner = make_runner({2}, spoil_loss)
    runner.optim_wrapper = {"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.01}}
    with pytest.raises(UserError, match=r"; checkpoints are as they were before it"):
        runner.train()
    assert list(Path(runner.work_dir).glob("*.pth")) == []


def test_where_another_wrapper_has_stepped_all_processes_act_on_what_one_saw(
    make_runner, monkeypatch
):
    """Else the diagnosis of one would wait for what the others never send."""
    kept = []

    def of_all(value, op):
        kept.append((value.item(), op))
        value.fill_(1.0)  # another process saw a loss that is not finite

    monkeypatch.setattr("retina_plugin.engine.guard.all_reduce", of_all)
    runner = make_runner(set(), spoil_loss)
    runner.optim_wrapper = {"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.01}}
    with pytest.raises(UserError, match="iteration 1 was not finite"):
        runner.train()
    assert kept == [(0.0, "max")]


def test_a_diagnosis_waits_for_no_other_process(make_runner, monkeypatch):
    """One of them may fail to compute its batch again, and never get to what is added up."""
    runner = make_runner({2}, spoil_gradient, **{"model.bbox_head.normaliser": "global"})
    sums = []
    monkeypatch.setattr(
        "retina_plugin.normaliser.all_reduce", lambda total, op: sums.append(total.item())
    )
    with pytest.raises(UserError, match="iteration 2 was not finite"):
        runner.train()
    assert len(sums) == 2  # of the two iterations
    report = json.loads(next(Path(runner.log_dir).glob("not_finite_iter_2/*.json")).read_text())
    assert report["not_computed"] == ""
    assert len(report["levels"]) == 5
    assert runner.model.bbox_head.normaliser.kind == "global"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("policy", "ignore"),
        ("policy", None),
        *(("max_skipped", each) for each in (-1, None, "10", 0.5, float("nan"))),
    ],
)
def test_other_policies_and_ceilings_are_refused(key, value):
    with pytest.raises(UserError, match=f"default_hooks.guard expects {key} .*{value!r}"):
        GuardHook(**{key: value})


def test_before_a_checkpoint_every_process_has_acted(make_runner, monkeypatch):
    """Of a process that is not the first: MMEngine saves nothing there, nor calls a hook for it."""
    monkeypatch.setattr("retina_plugin.engine.guard._on_accelerator", lambda runner: True)
    runner = make_runner({2}, spoil_pixels)
    monkeypatch.setattr(runner, "save_checkpoint", lambda *_, **__: None)
    with pytest.raises(UserError, match="iteration 2 was not finite"):
        runner.train()
    assert not (Path(runner.work_dir) / "last_checkpoint").exists()


@pytest.mark.parametrize("at", [1, 2])
def test_on_an_accelerator_the_verdict_comes_late_but_before_anything_is_saved(
    make_runner, monkeypatch, at
):
    """The epoch has two iterations: the second's verdict is due when the checkpoint is."""
    monkeypatch.setattr("retina_plugin.engine.guard._on_accelerator", lambda runner: True)
    runner = make_runner({at}, spoil_pixels)
    remember = Remember()
    runner.register_hook(remember)
    with pytest.raises(UserError, match=f"iteration {at} was not finite"):
        runner.train()
    assert len(remember.seen) == (1 if at == 1 else 2)
    assert list(Path(runner.work_dir).glob("*.pth")) == []
    assert (Path(runner.log_dir) / f"not_finite_iter_{at}").is_dir()
