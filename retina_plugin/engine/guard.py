"""A run whose loss or gradient is not finite stops with a report, its weights as they were."""

from collections.abc import Callable
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..bounds import WHOLE_FROM_0, check_number
from ..errors import UserError
from ..log import warn
from ..registry import HOOKS
from .diagnosis import Iteration, diagnose
from .finite import NO_NORMS, FiniteGuard
from .late_logging import fetch
from .optim_wrapper import MixedPrecisionOptimWrapper

POLICIES = ("stop", "skip")


@HOOKS.register_module()
class GuardHook(Hook):
    """Keeps weights from losses and gradients that are not finite, and says where they came from.

    The step is left out on the device; the host learns of it one iteration later on an
    accelerator, at once on a CPU, and before anything is saved. With another optimizer wrapper
    than ours only the losses are seen, after their step.

    Args:
        policy: `stop` ends the run with a report; `skip` leaves the batch out, counts and goes on.
        max_skipped: how many batches `skip` leaves out in a run before it stops as well.

    Raises:
        UserError: for another policy or ceiling.
    """

    def __init__(self, policy: str = "stop", max_skipped: int = 100) -> None:
        if policy not in POLICIES:
            raise UserError(
                f"default_hooks.guard expects policy to be one of {POLICIES}, but got {policy!r}."
            )
        check_number("default_hooks.guard", "max_skipped", max_skipped, WHOLE_FROM_0)
        self.policy = policy
        self.max_skipped = max_skipped
        self.skipped = 0
        self._guard: FiniteGuard | None = None
        self._pending: Iteration | None = None
        self._is_bad: Callable[[], Any] = bool  # whether the pending one is

    def before_train(self, runner: Runner) -> None:
        """Guard the optimizer's steps."""
        if isinstance(runner.optim_wrapper, MixedPrecisionOptimWrapper):
            self._guard = runner.optim_wrapper.guard = FiniteGuard(runner.model)
            return
        warn(
            f"Only losses are guarded: {type(runner.optim_wrapper).__name__} steps before they are "
            "seen; retina_plugin.MixedPrecisionOptimWrapper does not."
        )

    def before_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:  # noqa: ARG002
        """Remember what the iteration may spoil."""
        if self._guard is not None:
            self._guard.begin()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,  # noqa: ARG002
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Ask for the verdict on this iteration; act on the one that has arrived.

        Raises:
            UserError: an iteration was not finite, and the policy ends the run.
        """
        self._act(runner)
        losses = outputs or {}
        norms = self._guard.norms if self._guard else NO_NORMS
        self._pending = Iteration(runner.iter, data_batch, losses, norms)
        self._is_bad = self._verdict(losses)
        if not _on_accelerator(runner):
            self._act(runner)

    def _verdict(self, losses: dict[str, Any]) -> Callable[[], Any]:
        if self._guard is not None:
            return fetch(self._guard.is_first)
        bad = (~torch.as_tensor(losses.get("loss", 0.0)).detach().isfinite()).float()
        all_reduce(bad, op="max")  # all processes act, or none: a diagnosis may wait for the others
        return fetch(bad)

    def before_checkpoint(self, runner: Runner) -> None:
        """Wait for the last verdict, in all processes: a diagnosis may wait for the others."""
        self._act(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:  # noqa: ARG002
        """Wait for the last verdict where MMEngine's own hook saves, in the first process alone."""
        self._act(runner)

    def before_val_epoch(self, runner: Runner) -> None:
        """Wait for the last verdict."""
        self._act(runner)

    def after_train(self, runner: Runner) -> None:
        """Wait for the last verdict; say how many batches were left out."""
        self._act(runner)
        if self.skipped:
            warn(f"{self.skipped} batches were left out.")

    def _act(self, runner: Runner) -> None:
        iteration, self._pending = self._pending, None
        if iteration is None or not self._is_bad():
            return
        self.skipped += 1
        folder, cause = diagnose(runner, iteration)
        said = f"iteration {iteration.index + 1} was not finite, {cause.text}"
        if self.policy == "skip" and self.skipped <= self.max_skipped:
            count = getattr(runner.optim_wrapper, "_accumulative_counts", 1)
            others = f", with all {count} batches of its step" if count > 1 else ""
            warn(f"Left out{others}: {said}; see {folder}.")
            return
        many = f"{self.max_skipped} were left out before it; " if self.policy == "skip" else ""
        kept = "weights and checkpoints are" if self._guard else "checkpoints are"
        raise UserError(
            f"{said}; {many}{kept} as they were before it: {cause.advice}, and go on with "
            f"--resume ({folder} holds images, boxes, losses and gradients)."
        )


def _on_accelerator(runner: Runner) -> bool:
    return next(runner.model.parameters()).is_cuda
