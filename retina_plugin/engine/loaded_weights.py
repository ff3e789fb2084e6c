"""Whether a checkpoint fits the model: MMEngine loads what fits, and only logs the rest."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner
from torch import Tensor, nn

from ..errors import UserError
from ..registry import HOOKS
from .distributed import unwrapped
from .resume import find_latest_checkpoint
from .resumed_state import check_resumed, warn_of_checkpoint
from .weight_fit import Fit, compare, part, weights_in

SHOWN = 3  # names in a message
LEAST = 0.25  # of a model's numbers that a checkpoint to start from must hold


@HOOKS.register_module()
class LoadedWeightsHook(Hook):
    """Stops where a model would go on with random weights, or with some that are not finite.

    A test and a resumed training need every weight. A training that starts from a checkpoint may
    have another head; of backbone and neck it needs all or nothing.
    """

    priority = "VERY_HIGH"  # before an EMA hook copies the weights

    def after_load_checkpoint(self, runner: Runner, checkpoint: Any) -> None:
        """Holds the checkpoint against the model.

        Raises:
            UserError: it does not fit, with the first names and the likely cause.
        """
        is_training = isinstance(runner._train_loop, BaseLoop)
        try:
            weights = weights_in(checkpoint)
            fit = compare(unwrapped(runner.model), weights)
            is_start = is_training and not runner._resume
            check_start(fit) if is_start else check_whole(fit)
            check_finite({key: weights[key] for key in fit.fitting})
            check_class_order(checkpoint, _classes_of(runner), is_start)
            if is_training and runner._resume:
                check_resumed(runner, checkpoint)
        except UserError as error:
            raise UserError(f"The checkpoint {_name(runner)}{error}") from error


def _classes_of(runner: Runner) -> Any:
    """The class names of the data that are trained on or evaluated."""
    loops = runner._train_loop, runner._val_loop, runner._test_loop
    for loop in loops:
        if isinstance(loop, BaseLoop):
            return getattr(loop.dataloader.dataset, "metainfo", {}).get("classes")
    return None


def check_class_order(checkpoint: Any, classes: Any, is_start: bool) -> None:
    """Holds the classes that a checkpoint was trained on against those of the data.

    Raises:
        UserError: they are the same in another order, and what was learned is to be used as it is.
    """
    meta = checkpoint.get("meta") if isinstance(checkpoint, dict) else None
    data = meta.get("dataset_meta") if isinstance(meta, dict) else None
    learned = data.get("classes") if isinstance(data, dict) else None
    if not isinstance(learned, list | tuple) or classes is None or list(learned) == list(classes):
        return
    said = f"learned the classes {_first(learned, len(learned))} in this order"
    now = _first(list(classes), len(classes))
    if sorted(map(str, learned)) == sorted(map(str, classes)) and not is_start:
        raise UserError(
            f"{said}, but those of the data are {now}: its labels would be taken for others; set "
            "metainfo.classes of the dataset to the order of the training."
        )
    if len(learned) == len(classes):
        warn_of_checkpoint(f"it {said}, those of the data are {now}.")


def check_detector(model: nn.Module, checkpoint: Any, name: str) -> None:
    """Holds a checkpoint against a detector that is to detect: all its weights, all finite.

    Raises:
        UserError: it does not fit, with the first names and the likely cause.
    """
    try:
        weights = weights_in(checkpoint)
        check_whole(compare(model, weights))
        check_finite(weights)
    except UserError as error:
        raise UserError(f"The checkpoint {name} {error}") from error


def check_whole(fit: Fit) -> None:
    """For a test and for resuming: every weight is there.

    Raises:
        UserError: one is not, or the checkpoint has more of a part than the model.
    """
    wrong = fit.wrong_in(fit.parts)
    if wrong or not fit.fitting:
        raise UserError(_misfit(wrong or ["no name is the same"]))
    _say_ignored(fit)


def check_start(fit: Fit) -> None:
    """For a training that starts from other weights: heads may differ.

    Raises:
        UserError: a part other than a head has some of its weights only, or almost nothing fits.
    """
    given = {part(key) for key in (*fit.fitting, *fit.misshapen)}
    wrong = fit.wrong_in({name for name in fit.parts & given if not name.endswith("head")})
    if wrong:
        raise UserError(_misfit(wrong))
    if fit.share < LEAST:
        raise UserError(
            f"fits the model in {fit.share:.0%} of its weights (expected {_first(fit.missing)}, "
            f"got {_first(fit.unexpected)}): a backbone's weights alone belong into "
            "model.backbone.init_cfg."
        )
    initial = [*fit.misshapen, *fit.missing]
    if initial:
        warn_of_checkpoint(
            f"{len(initial)} weights keep their initial values: {_first(initial, len(initial))}."
        )
    _say_ignored(fit)


def check_finite(weights: dict[str, Tensor]) -> None:
    """Every number is finite.

    Raises:
        UserError: one is not; it names the weight.
    """
    for key, value in weights.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise UserError(f"is spoilt: its weight {key} is not finite; take an earlier one.")


def _misfit(wrong: list[str]) -> str:
    return (
        f"does not fit the model of the config: {len(wrong)} weights differ "
        f"({'; '.join(wrong[:SHOWN])}); {_cause(wrong)}."
    )


def _cause(wrong: list[str]) -> str:
    text = " ".join(wrong)
    if "backbone." in text:
        return "it has another backbone, so set model.backbone.depth to that of the checkpoint"
    if "neck." in text:
        return "it has another neck, so set model.neck to that of the checkpoint"
    if "_cls." in text:
        return (
            "it has other classes, so set model.bbox_head.num_classes to their number there, or "
            "loss_cls to its loss (a softmax has one output more)"
        )
    return "it is of another model, so use the config that it was trained with"


def _say_ignored(fit: Fit) -> None:
    if fit.unexpected:
        count = len(fit.unexpected)
        warn_of_checkpoint(f"{count} weights are not used: {_first(fit.unexpected, count)}.")


def _first(names: Sequence[str], count: int = 1) -> str:
    shown = ", ".join(names[: min(count, SHOWN)]) or "nothing"
    return f"{shown}, ..." if count > SHOWN else shown


def _name(runner: Runner) -> str:
    """What was loaded, and a space; nothing where only the caller of the runner knows."""
    latest = runner._resume and not runner._load_from
    name = find_latest_checkpoint(runner.work_dir) if latest else runner._load_from
    return f"{name} " if name else ""
