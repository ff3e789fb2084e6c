"""SIGTERM and Ctrl-C save a checkpoint and end the run; a second Ctrl-C ends it at once."""

import os
import signal
import threading
from types import FrameType
from typing import Any

import torch
from mmengine.dist import barrier, get_world_size, is_main_process
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner
from torch import distributed as torch_distributed
from torch.utils.data import get_worker_info

from ..errors import Stopped
from ..registry import HOOKS
from .checkpoint import CheckpointHook

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@HOOKS.register_module()
class StopHook(Hook):
    """Ends a run that is told to end, after the iteration that it is in.

    Slurm and Kubernetes send SIGTERM some time before they kill, torchrun to every process. All
    processes end after the same iteration, and the first writes the checkpoint.
    """

    priority = "LOWEST"  # after the checkpoint of this very iteration

    is_there = False  # in this process: a run will listen

    def __init__(self) -> None:
        StopHook.is_there = True
        self._asked = 0
        self._before: dict[int, Any] = {}
        self._group: Any = None
        self._common = 0  # batches of a validation

    def before_train(self, runner: Runner) -> None:  # noqa: ARG002
        """Listen; only Python's main thread can."""
        if get_world_size() > 1:
            self._group = torch_distributed.new_group(backend="gloo")
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._hear) for number in SIGNALS}

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._asked == number == signal.SIGINT:
            self._stop_listening()
            signal.default_int_handler(number, frame)
        self._asked = number
        if is_main_process():
            name = signal.Signals(number).name
            print(f"{name}: saving after this iteration, then stopping.", flush=True)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,  # noqa: ARG002
        data_batch: object = None,  # noqa: ARG002
        outputs: dict | None = None,  # noqa: ARG002
    ) -> None:
        """Save and end, if any process was asked to.

        Raises:
            Stopped: always then.
        """
        self._end_if_asked(runner, runner.iter + 1)

    def before_val_epoch(self, runner: Runner) -> None:
        """Find how many batches of the validation all processes have; some may have one more."""
        count = torch.tensor(len(runner.val_dataloader))
        if self._group is not None:
            torch_distributed.all_reduce(count, torch_distributed.ReduceOp.MIN, group=self._group)
        self._common = int(count)

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: object = None,  # noqa: ARG002
        outputs: object = None,  # noqa: ARG002
    ) -> None:
        """The same in the middle of a validation, with which a resumed run begins.

        Raises:
            Stopped: a process was asked to end.
        """
        if self._before and batch_idx < self._common:  # in a training
            self._end_if_asked(runner, runner.iter, in_validation=True)

    def _end_if_asked(self, runner: Runner, done: int, in_validation: bool = False) -> None:
        number = self._asked_anywhere()
        if number:
            for hook in runner.hooks if in_validation else ():
                if isinstance(hook, EMAHook):  # has put the averages in the weights' place
                    hook._swap_ema_parameters()
            name = signal.Signals(number).name
            saved = self._save(runner, done)
            barrier()  # a launcher kills all when the first has ended
            self._stop_listening()
            raise Stopped(f"stopped by {name} after iteration {done}, {saved}.", number)

    def _save(self, runner: Runner, done: int) -> str:
        for hook in runner.hooks:
            if isinstance(hook, CheckpointHook):
                return f"saved in {hook.save_in_between(runner, done)}: go on with --resume"
        return "without saving: default_hooks.checkpoint is no retina_plugin.CheckpointHook"

    def _asked_anywhere(self) -> int:
        if self._group is None:
            return self._asked
        asked = torch.tensor(self._asked)
        torch_distributed.all_reduce(asked, torch_distributed.ReduceOp.MAX, group=self._group)
        return int(asked)

    def after_train(self, runner: Runner) -> None:  # noqa: ARG002
        """Leave the signals as they were."""
        self._stop_listening()

    def _stop_listening(self) -> None:
        StopHook.is_there = False
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


# Who tells a run to end often tells its workers too: `timeout`, systemd and a terminal signal the
# whole group. Workers deliver the last batch then, so that the run can save, and end by their
# parent. Ctrl-C they leave to it, and of SIGTERM they obey their parent's alone, which a thread of
# theirs waits for.
#
# A signal between the fork and the child's first step is lost: Python forgets what its handlers
# noted before. A pool that ends its workers at once would wait for such a child for ever, so
# SIGTERM waits until the child has handlers of its own.
_mask = threading.local()


def _before_fork() -> None:
    _mask.before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _after_fork_in_parent() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _mask.before)


def _after_fork_in_child() -> None:
    blocked = _mask.before
    if StopHook.is_there:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, lambda *_: None)
        if signal.SIGTERM not in blocked and hasattr(signal, "sigwaitinfo"):
            # SIGTERM stays blocked in all threads, and this one waits for it.
            threading.Thread(target=_obey, args=(os.getppid(),), daemon=True).start()
            blocked = {*blocked, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _obey(parent: int) -> None:
    """End by a SIGTERM of the parent or this process, and of anybody once the parent has ended.

    A data loader's worker ends by its parent's without an error, as PyTorch's own handler has it:
    the parent, which ends its workers last of all, would report one.
    """
    while True:
        sender = signal.sigwaitinfo({signal.SIGTERM}).si_pid
        if sender == parent and get_worker_info() is not None:
            os._exit(0)
        if sender in (parent, os.getpid()) or os.getppid() != parent:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            os.kill(os.getpid(), signal.SIGTERM)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
