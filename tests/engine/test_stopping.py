import copy
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from retina_plugin.engine.border import exit_code
from retina_plugin.engine.stopping import StopHook
from retina_plugin.errors import Stopped

ROOT = Path(__file__).parents[2]
TRAIN = ROOT / "tools" / "train.py"


class Signal(Hook):
    """Sends this process a signal within an iteration."""

    def __init__(self, iteration, number, times=1):
        self.iteration, self.number, self.times = iteration, number, times

    def before_train_iter(self, runner, *_, **__):
        if runner.iter + 1 == self.iteration:
            for _ in range(self.times):
                os.kill(os.getpid(), self.number)


class SignalInValidation(Hook):
    """The same within an image of a validation."""

    def before_val_iter(self, runner, *_, **__):
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def make_runner(tiny_config):
    def build(*signals, resume=False, **options):
        base = {"train_dataloader.batch_size": 1}
        if "train_cfg" not in options:
            base["train_cfg.max_epochs"] = 2
        cfg = tiny_config(**{**base, **copy.deepcopy(options)})  # it takes _delete_ out
        cfg.resume = resume
        runner = Runner.from_cfg(cfg)
        for hook in signals:
            runner.register_hook(hook)
        return runner

    return build


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_after_the_iteration_and_gives_the_shells_code(make_runner, number, capsys):
    before = signal.getsignal(number)
    runner = make_runner(Signal(2, number))
    assert exit_code(runner.train) == 128 + number
    folder = Path(runner.work_dir)
    assert (folder / "last_checkpoint").read_text() == "iter_2.pth"
    saved = torch.load(folder / "iter_2.pth", weights_only=False)
    assert (saved["meta"]["iter"], saved["meta"]["epoch"]) == (2, 0)
    assert "after iteration 2, saved in" in capsys.readouterr().err
    assert signal.getsignal(number) is before


def test_the_next_regular_checkpoint_replaces_the_one_in_between(make_runner):
    with pytest.raises(Stopped):
        make_runner(Signal(2, signal.SIGTERM)).train()
    runner = make_runner(resume=True)
    runner.train()
    names = {path.name for path in Path(runner.work_dir).glob("*.pth")}
    assert "iter_2.pth" not in names
    assert (Path(runner.work_dir) / "last_checkpoint").read_text() == "epoch_2.pth"
    assert "epoch_2.pth" in names


class Validations(Hook):
    """The iterations after which there was a whole one."""

    def __init__(self):
        self.seen = []

    def after_val_epoch(self, runner, metrics=None):
        self.seen.append(runner.iter)


@pytest.mark.parametrize("interval", [1, 100])
def test_a_validation_is_made_first_on_resume_and_the_next_epoch_is_whole(make_runner, interval):
    options = {"default_hooks.checkpoint.interval": interval, "train_cfg.val_interval": 1}
    runner = make_runner(SignalInValidation(), **options)
    with pytest.raises(Stopped, match="after iteration 4, saved in"):
        runner.train()
    folder = Path(runner.work_dir)
    name = (folder / "last_checkpoint").read_text()
    assert name == ("epoch_1.pth" if interval == 1 else "iter_4.pth")
    assert torch.load(folder / name, weights_only=False)["meta"]["epoch"] == 1
    validations = Validations()
    resumed = make_runner(validations, resume=True, **options)
    resumed.train()
    assert (resumed.epoch, resumed.iter) == (2, 8)
    assert validations.seen == [4, 8]


@pytest.mark.filterwarnings("ignore:Detected call of `scheduler.step")  # MMEngine's order
@pytest.mark.parametrize("by_epoch", [True, False])
def test_a_stop_in_the_last_validation_loses_no_result(make_runner, by_epoch):
    options = {"train_cfg.max_epochs": 1, "train_cfg.val_interval": 1}
    if not by_epoch:
        loop = {"type": "IterBasedTrainLoop", "max_iters": 1, "_delete_": True}
        options = {"train_cfg": {**loop, "val_interval": 100}}
    with pytest.raises(Stopped):
        make_runner(SignalInValidation(), **options).train()
    validations = Validations()
    make_runner(validations, resume=True, **options).train()
    assert len(validations.seen) == 1


def test_averages_that_a_validation_put_in_the_weights_place_are_not_taken_for_them(make_runner):
    options = {"default_hooks.checkpoint.interval": 100, "train_cfg.val_interval": 1}
    runner = make_runner(SignalInValidation(), EMAHook(momentum=0.5), **options)
    kept = {}

    class Keep(Hook):
        priority = "LOWEST"

        def after_train_epoch(self, runner):
            kept.update({k: v.clone() for k, v in runner.model.state_dict().items()})

    runner.register_hook(Keep())
    with pytest.raises(Stopped):
        runner.train()
    saved = torch.load(Path(runner.work_dir) / "iter_4.pth", weights_only=False)
    # MMEngine's hook saves the averages as the model, and the weights beside them.
    weights = {key.removeprefix("module."): value for key, value in saved["ema_state_dict"].items()}
    for key, value in kept.items():
        torch.testing.assert_close(weights[key], value)


def test_a_second_stop_replaces_the_checkpoint_of_the_first(make_runner):
    with pytest.raises(Stopped):
        make_runner(Signal(2, signal.SIGTERM)).train()
    runner = make_runner(Signal(3, signal.SIGTERM), resume=True)
    with pytest.raises(Stopped):
        runner.train()
    assert {path.name for path in Path(runner.work_dir).glob("*.pth")} == {"iter_3.pth"}


def test_nothing_is_written_twice_where_the_regular_one_has_just_been(make_runner):
    runner = make_runner(Signal(2, signal.SIGTERM))
    hook = next(each for each in runner.hooks if type(each).__name__ == "CheckpointHook")
    hook.by_epoch, hook.interval, hook.filename_tmpl = False, 2, "iter_{}.pth"
    saves = []
    keep = runner.save_checkpoint
    runner.save_checkpoint = lambda *a, **k: (saves.append(a[1]), keep(*a, **k))
    with pytest.raises(Stopped):
        runner.train()
    assert saves == ["iter_2.pth"]


@pytest.mark.filterwarnings("ignore:Detected call of `scheduler.step")
def test_gradients_are_not_lost_in_the_middle_of_accumulating(make_runner):
    runner = make_runner(Signal(1, signal.SIGTERM), **{"optim_wrapper.accumulative_counts": 2})
    with pytest.raises(Stopped, match="after iteration 1"):
        runner.train()
    saved = torch.load(Path(runner.work_dir) / "iter_1.pth", weights_only=False)
    waiting = saved["accumulated_gradients"]
    assert any(bool(gradient.any()) for gradient in waiting.values())


def test_a_second_ctrl_c_ends_at_once(make_runner):
    runner = make_runner(Signal(2, signal.SIGINT, times=2))
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    assert not list(Path(runner.work_dir).glob("*.pth"))


@pytest.mark.parametrize(("number", "ends"), [(signal.SIGTERM, True), (signal.SIGINT, False)])
def test_a_fork_ends_by_sigterm_and_leaves_ctrl_c_to_its_parent(number, ends):
    hook = StopHook()
    hook.before_train(None)
    try:
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), number)
            time.sleep(1 if number == signal.SIGINT else 20)
            os._exit(0)
        _, status = os.waitpid(child, 0)
    finally:
        hook.after_train(None)
    assert os.waitstatus_to_exitcode(status) == (-number if ends else 0)


def test_a_fork_leaves_to_its_parent_what_others_send_to_all():
    """As `timeout` and systemd do; what its parent sends it obeys."""
    hook = StopHook()
    hook.before_train(None)
    try:
        child = os.fork()
        if child == 0:
            time.sleep(20)
            os._exit(0)
        subprocess.run(["kill", "-TERM", str(child)], check=True)  # another process
        time.sleep(0.5)
        assert os.waitpid(child, os.WNOHANG) == (0, 0)
        os.kill(child, signal.SIGTERM)
        _, status = os.waitpid(child, 0)
    finally:
        hook.after_train(None)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM


def test_a_data_loaders_worker_ends_by_its_parent_without_an_error():
    """Python ends those that persist when a run has succeeded; PyTorch reports any other end."""
    hook = StopHook()
    hook.before_train(None)
    try:
        loader = DataLoader(range(4), num_workers=1, persistent_workers=True)
        batches = iter(loader)
        next(batches)  # the worker has begun
        (worker,) = batches._workers
        worker.terminate()
        worker.join(20)
        assert worker.exitcode == 0
    finally:
        hook.after_train(None)


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["epochs", "iterations"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_group_saves_too(tiny_config, tmp_path, loop, number):
    """The workers get it as well, and deliver what the iteration waits for."""
    options = {"train_dataloader.batch_size": 1, "default_hooks.checkpoint.interval": 1000}
    options |= {"train_dataloader.num_workers": 2, "train_dataloader.persistent_workers": True}
    cfg = tiny_config(**options)
    if loop == "iterations":
        cfg.train_cfg = {"type": "IterBasedTrainLoop", "max_iters": 900, "val_interval": 900}
        cfg.train_dataloader.sampler.type = "InfiniteSampler"
        cfg.param_scheduler = None
    else:
        cfg.train_cfg.max_epochs = 200
    cfg.dump(tmp_path / "tiny.py")
    command = [sys.executable, str(TRAIN), "tiny.py"]
    with (tmp_path / "log").open("w") as log:
        streams = {"stdout": log, "stderr": log}
        run = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, **streams)
        try:
            _wait_for("(train)", tmp_path / "log")
            os.killpg(run.pid, number)
            assert run.wait(60) == 128 + number, (tmp_path / "log").read_text()[-3000:]
        finally:
            run.kill()
    assert "saved in" in (tmp_path / "log").read_text()
    pointer = (tmp_path / "work" / "last_checkpoint").read_text()
    torch.load(tmp_path / "work" / pointer, weights_only=False)


def test_a_fork_that_is_ended_before_its_first_step_ends():
    """As by a pool that was given little to do; Python forgets a signal of that moment."""
    hook = StopHook()
    hook.before_train(None)
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                time.sleep(2)
                os._exit(0)
            os.kill(child, signal.SIGTERM)
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM
    finally:
        hook.after_train(None)


def test_a_fork_leaves_what_was_blocked_blocked():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        child = os.fork()
        if child == 0:
            os._exit(signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        _, status = os.waitpid(child, 0)
        assert signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert os.waitstatus_to_exitcode(status) == 1


def test_without_our_checkpoint_hook_it_says_that_nothing_is_saved(make_runner):
    runner = make_runner(
        Signal(1, signal.SIGTERM), exact_resume=False, **{"default_hooks.checkpoint.interval": 1}
    )
    with pytest.raises(Stopped, match="without saving"):
        runner.train()


@pytest.mark.slow
def test_all_processes_stop_after_the_same_iteration(tiny_config, tmp_path, torchrun):
    """SIGTERM to the launcher, as a scheduler sends it; then the run goes on by itself."""
    options = {"train_dataloader.batch_size": 1, "train_cfg.max_epochs": 200}
    options["default_hooks.checkpoint.interval"] = 1000
    tiny_config(**options).dump(tmp_path / "tiny.py")
    command = [*torchrun, str(TRAIN), "tiny.py", "--launcher", "pytorch", "--resume", "auto"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with (tmp_path / "log").open("w") as log:
        run = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
        try:
            _wait_for("Epoch(train)", tmp_path / "log")
            run.send_signal(signal.SIGTERM)
            assert run.wait(60) != 0
        finally:
            run.kill()
    text = (tmp_path / "log").read_text()
    stops = [line for line in text.splitlines() if line.startswith("stopped by SIGTERM")]
    assert len(stops) == 2, text[-3000:]
    assert len({line.split(",")[0] for line in stops}) == 1
    pointer = (tmp_path / "work" / "last_checkpoint").read_text()
    torch.load(tmp_path / "work" / pointer, weights_only=False)


def _wait_for(text, log, seconds=120):
    end = time.monotonic() + seconds
    while text not in log.read_text():
        assert time.monotonic() < end, log.read_text()[-3000:]
        time.sleep(0.2)
