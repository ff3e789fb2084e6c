"""MMEngine's training loops, which go on exactly where a checkpoint was saved."""

import copy
import warnings
from typing import cast

from mmengine.dataset import InfiniteSampler
from mmengine.runner import BaseLoop, Runner
from mmengine.runner import EpochBasedTrainLoop as MMEngineEpochBasedTrainLoop
from mmengine.runner import IterBasedTrainLoop as MMEngineIterBasedTrainLoop
from mmengine.runner.loops import _InfiniteDataloaderIterator
from torch import nn
from torch.utils.data import DataLoader

from ..data.seeding import SeededBatchSampler
from ..errors import UserError
from ..log import warn
from ..registry import LOOPS


class _Seeded(BaseLoop):
    """A loop over a seeded loader.

    Args:
        runner: MMEngine's.
        dataloader: the config of one, which `seeded_loader` completes, or one that is built.
        **options: as in MMEngine's.

    Raises:
        UserError: the loader has no batch.
    """

    def __init__(self, runner: Runner, dataloader: DataLoader | dict, **options: object) -> None:
        super().__init__(runner, seeded_loader(dataloader), **options)
        if batches_of(self.dataloader) == 0:
            raise UserError(
                "train_dataloader gives no batch: with drop_last every process needs the images of "
                "a whole batch; lower train_dataloader.batch_size, or set drop_last=False."
            )

    def _validate_if_due(self, done: int, last: int) -> None:
        """Validate after so many epochs or iterations, the last of which are always followed."""
        is_due = done % self.val_interval == 0 or done == last
        if self.runner.val_loop is not None and done >= self.val_begin and is_due:
            self.runner.val_loop.run()


@LOOPS.register_module()
class EpochBasedTrainLoop(_Seeded, MMEngineEpochBasedTrainLoop):
    """MMEngine's; an epoch that a checkpoint interrupted is finished, not begun again.

    A checkpoint of an epoch is saved before its validation, which a resumed run therefore begins
    with: the best checkpoint and schedules that go by a metric hang on it.
    """

    began = 0  # the present epoch, in iterations
    # Of the run that is resumed, if known: length and beginning of its last epoch.
    saved_length: int | None = None
    saved_began: int | None = None
    _is_first = True  # epoch of this run

    def run(self) -> nn.Module:
        """Train; gives the model."""
        runner = self.runner
        runner.call_hook("before_train")
        if self._epoch > 0:
            self.began = self._saved_began()
            if self._iter == self.began:
                self._decide_current_val_interval()
                self._validate_if_due(self._epoch, self._max_epochs)
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._decide_current_val_interval()
            self._validate_if_due(self._epoch, self._max_epochs)
        runner.call_hook("after_train")
        return runner.model

    def _saved_began(self) -> int:
        """The iteration at which the epoch began that the run is resumed in."""
        if self.saved_began is not None:
            return self.saved_began
        return self._epoch * (self.saved_length or len(self.dataloader))

    def run_epoch(self) -> None:
        """The rest of the epoch; all of it unless the run has just been resumed."""
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        first = self._batches_done() if self._is_first else 0
        self._is_first = False
        self.began = self._iter - first
        _begin_at(self.dataloader, first)
        for index, batch in enumerate(self.dataloader, start=first):
            self.run_iter(index, batch)
        with warnings.catch_warnings():
            if first == len(self.dataloader):  # the optimizer stepped before the resume
                warnings.filterwarnings("ignore", "Detected call of `scheduler.step")
            self.runner.call_hook("after_train_epoch")
        self._epoch += 1
        self.began = self._iter

    def _batches_done(self) -> int:
        length = len(self.dataloader)
        saved = self.saved_length or length
        done = self._iter - self._saved_began()
        if done == saved:  # all but the epoch's end
            return length
        is_inside = 0 < done < length == saved and _can_begin_inside(self.dataloader)
        if done and not is_inside:
            warn(
                f"Epoch {self._epoch + 1} is begun at its first batch: the checkpoint was saved "
                f"after {self._iter} iterations, which does not fit epochs of {length}."
            )
            return 0
        return done


@LOOPS.register_module()
class IterBasedTrainLoop(_Seeded, MMEngineIterBasedTrainLoop):
    """MMEngine's; what was trained on before is passed over without reading an image.

    A validation that was due when the checkpoint was saved comes first.
    """

    dataloader_iterator: _InfiniteDataloaderIterator

    def run(self) -> nn.Module:
        """Train; gives the model."""
        runner = self.runner
        runner.call_hook("before_train")
        runner.call_hook("before_train_epoch")
        if self._iter > 0:
            self._pass_over(self._iter)
            self._decide_current_val_interval()
            self._validate_if_due(self._iter, self._max_iters)
        while self._iter < self._max_iters and not self.stop_training:
            self._iterate()
            self._decide_current_val_interval()
            self._validate_if_due(self._iter, self._max_iters)
        runner.call_hook("after_train_epoch")
        runner.call_hook("after_train")
        return runner.model

    def _iterate(self) -> None:
        """One iteration."""
        self.runner.model.train()
        self.run_iter(next(self.dataloader_iterator))

    def _pass_over(self, batches: int) -> None:
        """Begin after so many batches: of an endless sampler, or in the epoch that they reach."""
        if not _can_begin_inside(self.dataloader):
            for _ in range(batches):
                next(self.dataloader_iterator)
            return
        sampler = self.dataloader.batch_sampler.sampler
        del self.dataloader_iterator  # ends its workers, which have read ahead
        epoch = 0
        if isinstance(sampler, InfiniteSampler):
            sampler.indices = sampler._indices_of_rank()
        else:
            epoch, batches = divmod(batches, len(self.dataloader))
            if hasattr(sampler, "set_epoch"):
                sampler.set_epoch(epoch)
        self.dataloader.batch_sampler.begin_at(batches)
        self.dataloader_iterator = _InfiniteDataloaderIterator(self.dataloader)
        self.dataloader_iterator._epoch = epoch


def seeded_loader(dataloader: DataLoader | dict) -> DataLoader | dict:
    """The config of a loader with a seed for every sample, round its dataset and its batches."""
    if not isinstance(dataloader, dict) or dataloader.get("sampler") is None:
        return dataloader
    loader = copy.deepcopy(dataloader)
    loader["dataset"] = {"type": "retina_plugin.SeededDataset", "dataset": loader["dataset"]}
    batches = {"type": "retina_plugin.SeededBatchSampler"}
    inner = loader.get("batch_sampler")
    if inner is not None:
        batches["batch_sampler"] = inner
    elif "drop_last" in loader:
        batches["drop_last"] = loader.pop("drop_last")
    return {**loader, "batch_sampler": batches}


def end_workers(runner: Runner) -> None:
    """End all workers of a run that is over; Python's exit kills them, and complains of it."""
    for loop in (runner._train_loop, runner._val_loop, runner._test_loop):
        if isinstance(loop, BaseLoop) and isinstance(loop.dataloader, DataLoader):
            vars(loop).pop("dataloader_iterator", None)
            loop.dataloader._iterator = None  # kept where workers persist


def batches_of(dataloader: DataLoader) -> int | None:
    """Of an epoch, where the data have a length."""
    try:
        return len(dataloader)
    except TypeError:
        return None


def _can_begin_inside(dataloader: DataLoader) -> bool:
    return isinstance(dataloader.batch_sampler, SeededBatchSampler)


def _begin_at(dataloader: DataLoader, batch: int) -> None:
    if batch:
        cast(SeededBatchSampler, dataloader.batch_sampler).begin_at(batch)
