"""Hooks that count in shares of the training instead of epochs or iterations."""

from typing import Any

from mmengine.dist import all_reduce_params
from mmengine.hooks import ParamSchedulerHook, SyncBuffersHook
from mmengine.runner import Runner

from ...registry import HOOKS
from ..checkpoint import CheckpointHook
from .loop import STATE, BudgetTrainLoop
from .plan import passes
from .schedule import Schedule


@HOOKS.register_module()
class ShareSchedulerHook(ParamSchedulerHook):
    """Steps each scheduler as often as the share of the training that is done asks for."""

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,  # noqa: ARG002
        data_batch: object = None,  # noqa: ARG002
        outputs: dict | None = None,  # noqa: ARG002
    ) -> None:
        """Step each scheduler by what the share has grown, which may be nothing."""
        loop: Any = runner.train_loop
        done = runner.iter + 1
        for scheduler in runner.param_schedulers or []:
            now, before = (
                loop.schedule.steps(scheduler, loop.plan, each) for each in (done, done - 1)
            )
            for _ in range(now - before):
                scheduler.step()

    def after_train_epoch(self, runner: Runner) -> None:
        """Do nothing: schedulers by epoch are stepped with the others."""


@HOOKS.register_module()
class ShareCheckpointHook(CheckpointHook):
    """Our CheckpointHook, whose interval is the share of the training that it is in the config.

    Args:
        *args: as in `CheckpointHook`.
        **options: as in `CheckpointHook`.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self.counts_epochs = options.pop("by_epoch", True)
        super().__init__(*args, by_epoch=False, **options)

    def interval_of(self, schedule: Schedule) -> float:
        """Return the share of the training between two checkpoints."""
        return schedule.share(self.interval, self.counts_epochs)

    def every_n_train_iters(self, runner: Runner, n: int, start: int = 0) -> bool:
        """Return whether a checkpoint is due after this iteration."""
        loop: Any = runner.train_loop
        done = runner.iter + 1
        begun = loop.plan.training(done) * loop.schedule.length(self.counts_epochs) >= start
        return n > 0 and begun and passes(loop.plan, loop.plan.save_every, done)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the plan to the checkpoint."""
        super().before_save_checkpoint(runner, checkpoint)
        if isinstance(runner.train_loop, BudgetTrainLoop):
            checkpoint.setdefault("meta", {})[STATE] = runner.train_loop.state()

    def _save(self, runner: Runner, name: str, meta: dict, by_epoch: bool) -> None:
        loop: Any = runner.train_loop
        with loop.stopwatch.saving():
            if any(isinstance(hook, SyncBuffersHook) for hook in runner.hooks):
                all_reduce_params(runner.model.buffers(), op="mean")
            super()._save(runner, name, meta, by_epoch)
