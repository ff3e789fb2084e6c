"""Checkpoints of which a good one is on the disk at any instant."""

from collections import deque
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook
from mmengine.runner import Runner
from torch import Tensor

from ..registry import HOOKS
from .accumulation import GRADIENTS, waiting_gradients
from .distributed import unwrapped
from .loops import EpochBasedTrainLoop, batches_of
from .safe_files import SafeLocalBackend, remove_unfinished, write_whole

POINTER = "last_checkpoint"
IN_BETWEEN = "checkpoint_in_between"  # key of the message hub
# Keys of the checkpoint's meta: of the epoch that it names, in iterations.
EPOCH_LENGTH, EPOCH_BEGAN = "batches_of_an_epoch", "began_after"


@HOOKS.register_module()
class CheckpointHook(MMEngineCheckpointHook):
    """MMEngine's CheckpointHook; on a local disk nothing is removed before its successor is there.

    Files are written whole or not at all (see `safe_files`), `last_checkpoint` names a file of its
    own folder, and older checkpoints go last. Gradients that still accumulate are saved with the
    rest.

    Args:
        *args: as in MMEngine's.
        **options: as in MMEngine's; with a `backend_args` or an `out_dir` on another storage the
            order stays, and writing is as safe as that storage is.
    """

    backend_args: dict | None
    last_ckpt: str | None
    _saved_at: int = -1  # iterations
    keep_ckpt_ids: deque
    _gradients: dict[str, Tensor] | None = None  # while a checkpoint is written

    def before_train(self, runner: Runner) -> None:
        """Find the folder; clean up behind a run that was killed."""
        is_local = "://" not in str(self.out_dir or "")
        if self.backend_args is None and self.file_client_args is None and is_local:
            self.backend_args = {"backend": "retina_plugin.safe_local"}
        super().before_train(runner)
        if isinstance(self.file_backend, SafeLocalBackend) and is_main_process():
            remove_unfinished(Path(self.out_dir))
            remove_unfinished(Path(runner.work_dir))

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        """Save, then say that it is the last, then remove what is too old."""
        outdated = self._outdated_by(step)
        runner.message_hub.update_info("keep_ckpt_ids", list(self._kept()))
        in_between = runner.message_hub.get_info(IN_BETWEEN)
        if in_between is not None:
            outdated.append(self.file_backend.join_path(self.out_dir, in_between))
            runner.message_hub.update_info(IN_BETWEEN, None)
        self._save(runner, self.filename_tmpl.format(step), meta, self.by_epoch)
        if is_main_process():
            for path in outdated:
                self._remove(path)

    def _save(self, runner: Runner, name: str, meta: dict, by_epoch: bool) -> None:
        """Save, then say that it is the last.

        Before it, hooks have `before_checkpoint` called in all processes: MMEngine's
        `before_save_checkpoint` is of the first alone, which must not wait there for the others.
        """
        runner.call_hook("before_checkpoint")
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info("last_ckpt", self.last_ckpt)
        self._gradients = waiting_gradients(unwrapped(runner.model))
        runner.save_checkpoint(
            self.out_dir,
            name,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        self._gradients = None
        self._saved_at = meta["iter"]
        if is_main_process():
            point_to(Path(runner.work_dir), str(self.last_ckpt))

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add length and beginning of the epoch, and the gradients that wait for a step."""
        meta, loop = checkpoint.get("meta", {}), runner.train_loop
        meta[EPOCH_LENGTH] = batches_of(runner.train_dataloader)
        if isinstance(loop, EpochBasedTrainLoop):
            meta[EPOCH_BEGAN] = loop.began if meta["epoch"] == runner.epoch else meta["iter"]
        if self._gradients:
            checkpoint[GRADIENTS] = {name: each.cpu() for name, each in self._gradients.items()}

    def save_in_between(self, runner: Runner, done: int) -> str:
        """Save after `done` iterations as `iter_N.pth`; the next regular one replaces it.

        Gives the path; nothing is written where a regular one has just been.
        """
        name, here = f"iter_{done}.pth", {"epoch": runner.epoch, "iter": done}
        if self._saved_at != done:
            before = runner.message_hub.get_info(IN_BETWEEN)
            runner.message_hub.update_info(IN_BETWEEN, name)
            self._save(runner, name, here, by_epoch=False)
            if before not in (None, name) and is_main_process():
                self._remove(self.file_backend.join_path(self.out_dir, before))
        return str(self.last_ckpt)

    def _kept(self) -> deque:
        return self.keep_ckpt_ids if self.max_keep_ckpts > 0 else deque()

    def _outdated_by(self, step: int) -> list[str]:
        """Paths of the checkpoints that are one too many with that of `step`."""
        kept = self._kept()
        if self.max_keep_ckpts <= 0 or step in kept:
            return []
        too_many = [kept.popleft()] if len(kept) == self.max_keep_ckpts else []
        kept.append(step)
        names = [self.filename_tmpl.format(old) for old in too_many]
        return [self.file_backend.join_path(self.out_dir, name) for name in names]

    def _remove(self, path: str) -> None:
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)
        elif self.file_backend.isdir(path):
            self.file_backend.rmtree(path)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, Any]) -> None:
        """As MMEngine's, which removes the old best first: here that waits for the new one."""
        if not isinstance(self.file_backend, SafeLocalBackend):
            super()._save_best_checkpoint(runner, metrics)
            return
        with self.file_backend.removing_later():
            super()._save_best_checkpoint(runner, metrics)


def point_to(work_dir: Path, checkpoint: str) -> None:
    """Write `last_checkpoint`: a name where the file lies beside it, so that folders can move.

    Elsewhere it is an address, or a path that holds from any folder.
    """
    named = checkpoint
    if "://" not in checkpoint:
        path = Path(checkpoint).resolve()
        named = path.name if path.parent == work_dir.resolve() else str(path)
    write_whole(work_dir / POINTER, named.encode())
