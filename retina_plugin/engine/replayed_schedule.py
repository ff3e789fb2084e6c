"""Rates and schedulers as they were now, had a run gone by its present config from its start.

MMEngine's schedulers work on the rate that they find, and keep how far they have come: with other
lengths or milestones in the middle, a rate that has fallen stays fallen, and a warm-up that is cut
short stays low. So they are run again.
"""

import copy
from types import SimpleNamespace
from typing import Any

from mmengine.optim import ReduceOnPlateauParamScheduler, _ParamScheduler


def can_be_replayed(schedulers: Any) -> bool:
    """Whether they depend on the number of steps alone, and not on a metric."""
    kinds = schedulers if isinstance(schedulers, list) else [schedulers]
    return bool(kinds) and all(
        isinstance(each, _ParamScheduler) and not isinstance(each, ReduceOnPlateauParamScheduler)
        for each in kinds
    )


def replayed(
    schedulers: list[_ParamScheduler], iterations: int, epochs: int, length: int | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """States of the schedulers after so much training, and the optimizer's groups without weights.

    Args:
        schedulers: of a run that has not begun; they and their optimizer stay as they are.
        iterations: since the start, those of an unfinished epoch too.
        epochs: that are finished.
        length: iterations of an epoch, where it is known.
    """
    groups = [_without_weights(group) for group in schedulers[0].optimizer.param_groups]
    # A scheduler asks whether the optimizer has stepped before it.
    stand_in = SimpleNamespace(
        param_groups=groups, step=SimpleNamespace(_with_counter=True), _global_step=iterations
    )
    own = [copy.copy(each) for each in schedulers]
    for each in own:
        each.optimizer, each.verbose = stand_in, False
    _run(own, iterations, epochs, length or iterations // max(epochs, 1))
    pairs = zip(own, schedulers, strict=True)
    return [{**each.state_dict(), "verbose": first.verbose} for each, first in pairs], groups


def _run(schedulers: list[Any], iterations: int, epochs: int, length: int) -> None:
    by_iteration = [each for each in schedulers if not each.by_epoch]
    by_epoch = [each for each in schedulers if each.by_epoch]
    finished = 0
    for iteration in range(1, iterations + 1):
        _step(by_iteration)
        if finished < epochs and iteration == (finished + 1) * length:
            _step(by_epoch)
            finished += 1
    for _ in range(finished, epochs):  # of another length than the last one
        _step(by_epoch)


def _step(schedulers: list[Any]) -> None:
    for each in schedulers:
        each.step()


def _without_weights(group: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "params"}
