"""A training loop that ends after so many minutes, whatever the machine."""

import datetime
import math
from dataclasses import replace
from typing import Any

import torch
from mmengine.dist import broadcast, get_world_size, is_main_process
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from ...bounds import NOT_NEGATIVE
from ...errors import UserError
from ...log import warn
from ...registry import LOOPS
from ..loops import IterBasedTrainLoop
from .plan import PLAN_NUMBERS, Costs, Plan, Task, fitting, open_plan, passes, replanned
from .schedule import Schedule
from .stopwatch import Stopwatch
from .trial import expected_save, expected_validation

STATE = "budget"  # key of a checkpoint's meta

FIRST_LOOK = 2  # iterations
MEASURED = 8  # iterations that are counted before the first plan
MEASURING = 0.05  # of the time that is left at the start, after which it is made of fewer
LEAST = 5  # iterations that must fit into the first plan
USEFUL = 50  # iterations that the minutes in the error for a short budget leave room for
RESERVE = 3.0, 0.01  # seconds for the end of the process, and a share of the budget
ANOTHER = 0.25  # change of the number of iterations that is worth a line


@LOOPS.register_module()
class BudgetTrainLoop(IterBasedTrainLoop):
    """Trains through the whole schedule of the config in so many minutes.

    The first iterations are measured, then the number of those that fit is planned, and planned
    anew all the time. The first process decides. A resumed run goes on with its plan.

    Args:
        runner: MMEngine's.
        dataloader: as in `IterBasedTrainLoop`.
        minutes: from the start of the process to the end of the last validation.
        max_epochs: length of the schedule as the config has it, in epochs; or
        max_iters: the same in iterations.
        val_interval: in the unit of that length.
        val_begin: in the same unit.
        began: when the process began, by `time.monotonic`; now if it is not known.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        minutes: float,
        max_epochs: int | None = None,
        max_iters: int | None = None,
        val_interval: int = 1,
        val_begin: int = 1,
        began: float | None = None,
    ) -> None:
        self.minutes = minutes
        self.stopwatch = Stopwatch(60 * minutes, began)
        super().__init__(
            runner,
            dataloader,
            max_iters=max_iters or 1,
            val_begin=val_begin,
            val_interval=val_interval,
        )
        self._by_epoch = max_epochs is not None
        iterations = max_iters or (max_epochs or 1) * len(self.dataloader)
        self.schedule = Schedule(iterations, max_epochs or 1)
        # The schedulers, which are built after the loop, take its ends for theirs.
        self._max_iters, self._max_epochs = iterations, self.schedule.epochs
        self._resumed: Plan | None = None
        self._said = 0

    def run(self) -> nn.Module:
        """Train; gives the model.

        Raises:
            UserError: not even a few iterations fit.
        """
        self._left_at_start = self.stopwatch.left
        self.task = self._task()
        self.plan = self._resumed or open_plan(self.task, FIRST_LOOK)
        self._max_epochs = 1  # as in every loop by iteration
        # Until there is a plan, for hooks that ask whether the training is short.
        guess = max(self._max_iters, self._iter + 2 * MEASURED)
        self._max_iters = guess if self.plan.is_open else self.plan.training.end
        return super().run()

    def _task(self) -> Task:
        saves = [hook.interval_of(self.schedule) for hook in self._savers()]
        return Task(
            warm_up=self.schedule.warm_up(self.runner.param_schedulers or []),
            validate_every=self.schedule.share(self.val_interval, self._by_epoch),
            save_every=min(saves, default=1.0),
            accumulated=self._accumulate_without_end(),
            reserve=RESERVE[0] + RESERVE[1] * self.stopwatch.seconds,
        )

    def _savers(self) -> list[Any]:
        return [hook for hook in self.runner.hooks if hasattr(hook, "interval_of")]

    def _accumulate_without_end(self) -> int:
        """Keep the optimizer from an end that is not known; gives iterations of its step."""
        wrapper = self.runner.optim_wrapper
        count = getattr(wrapper, "_accumulative_counts", 1)
        if count > 1:
            wrapper.initialize_count_status(self.runner.model, self._iter, -1)
        return count

    def _iterate(self) -> None:
        if self._iter >= self.plan.next_look:
            self._look()
        with self.stopwatch.stepping():
            super()._iterate()

    def _look(self) -> None:
        """Plan anew; the first process decides, all follow.

        Raises:
            UserError: not even a few iterations fit.
        """
        plan, needed = self._decided() if is_main_process() else (self.plan, 0.0)
        costs = self._costs()
        numbers = torch.tensor([*costs, needed, *plan.numbers()], dtype=torch.float64)
        broadcast(numbers)
        costs, needed, self.plan = (
            Costs(*numbers[:3].tolist()),
            float(numbers[3]),
            Plan.of(numbers[4:].tolist()),
        )
        if needed:
            raise UserError(self._too_short(costs, needed))
        if not self.plan.is_open:
            self._max_iters = self.plan.training.end
            self._say(costs)

    def _decided(self) -> tuple[Plan, float]:
        """Return the plan, and the minutes that are needed if those given are too few, else 0."""
        watch = self.stopwatch
        if self.plan.is_open and not self._is_measured():
            return replace(self.plan, next_look=self._iter + 1), 0.0
        if not watch.knows("validation"):
            watch.note("validation", expected_validation(self.runner))
        if not watch.knows("save"):
            watch.note("save", expected_save(self.runner))
        costs = self._costs()
        if self.plan.is_open and fitting(watch.left, costs, self.task) < LEAST:
            needed = watch.used + self.task.reserve + sum(costs) + USEFUL * costs.step
            return self.plan, math.ceil(needed / 6) / 10
        return replanned(self.plan, self._iter, watch.left, costs, self.task), 0.0

    def _costs(self) -> Costs:
        return self.stopwatch.costs(self.plan.training.end - self._iter)

    def _is_measured(self) -> bool:
        is_late = self.stopwatch.left < (1 - MEASURING) * self._left_at_start
        return self.stopwatch.measured >= MEASURED or is_late

    def _too_short(self, costs: Costs, needed: float) -> str:
        return (
            f"minutes={self.minutes:g} is too short: {self.stopwatch.used:.0f} s are gone, an "
            f"iteration takes {costs.step:.2g} s and the validation about "
            f"{costs.validation:.0f} s; give it minutes={needed:g}, or more."
        )

    def _say(self, costs: Costs) -> None:
        """Log what was chosen, unless it is nearly what was logged last."""
        end = self.plan.training.end
        if abs(end - self._said) <= ANOTHER * self._said:
            return
        self._said = end
        ends_at = datetime.datetime.now() + datetime.timedelta(seconds=self.stopwatch.left)
        validated = f", validation about {costs.validation:.1f} s" if costs.validation else ""
        print_log(
            f"minutes={self.minutes:g}: an iteration takes {costs.step:.3g} s{validated}, so "
            f"{end} iterations{self._epochs(end)}, {end - self._iter} of them to go; "
            f"ends at {ends_at:%H:%M:%S}.",
            logger="current",
        )

    def _epochs(self, iterations: int) -> str:
        """Return how often these iterations see each image, in words."""
        images = getattr(self.dataloader.batch_sampler, "batch_size", None)
        if not images:
            return ""
        seen = iterations * images * get_world_size()
        return f" ({seen / len(self.dataloader.dataset):.1f} epochs)"

    def _validate_if_due(self, done: int, last: int) -> None:  # noqa: ARG002
        """Validate at the config's shares of the training, if time allows, and at its end."""
        begun = self.plan.training(done) >= self.schedule.share(self.val_begin, self._by_epoch)
        is_due = begun and passes(self.plan, self.plan.validate_every, done)
        if self.runner.val_loop is not None and is_due:
            with self.stopwatch.validating():
                self.runner.val_loop.run()

    def state(self) -> dict[str, Any]:
        """Return what a run needs that goes on from a checkpoint."""
        return {
            "minutes": float(self.minutes),
            "used": self.stopwatch.used,
            "costs": list(self._costs()),
            "plan": self.plan.numbers(),
        }

    def take_up(self, state: Any, done: int) -> None:
        """Go on with the plan of a checkpoint.

        Args:
            state: what `state` gave.
            done: iterations at the checkpoint.

        Raises:
            UserError: the state is missing or broken.
        """
        if state is None:
            raise UserError(
                "is of a training without minutes: go on with --cfg-options minutes=None, or "
                "start another training from it with load_from=FILE instead of --resume."
            )
        if not is_state(state):
            raise UserError("is broken: its meta.budget is no plan of a training with minutes.")
        self.stopwatch.go_on(state["used"], Costs(*state["costs"]))
        plan = Plan.of(state["plan"])
        if plan.training(done) == 1:
            warn("The training of the checkpoint is done: only its validation is run again.")
        # Other machine, other time left: the first thing to be done.
        self._resumed = replace(plan, next_look=plan.next_look if plan.is_open else done)


def is_state(state: Any) -> bool:
    """Return whether something has the form of `BudgetTrainLoop.state`."""
    if not isinstance(state, dict) or set(state) != {"minutes", "used", "costs", "plan"}:
        return False
    sizes = {"costs": len(Costs._fields), "plan": PLAN_NUMBERS}
    lists = [state[key] for key in sizes]
    if not all(isinstance(each, list) for each in lists):
        return False
    numbers = [state["minutes"], state["used"], *(number for each in lists for number in each)]
    return all(number in NOT_NEGATIVE for number in numbers) and all(
        len(state[key]) == size for key, size in sizes.items()
    )
