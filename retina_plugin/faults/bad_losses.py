"""Trainings in which a loss or a gradient stops being finite."""

from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from ..engine.diagnosis import REPORT
from .row import Outcome, Row, tally
from .tiny_training import in_forks, scratch_folder, tiny_config, train, warm, write_data

NAN, INF = float("nan"), float("inf")
BAD = (NAN, INF, -INF)
SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"fast": False},
    {"optim_wrapper__dtype": "bfloat16"},
    {"optim_wrapper__accumulative_counts": 2},
    {"optim_wrapper__optimizer__fused": False},
    {"optim_wrapper__clip_grad": {"max_norm": 1.0}},
)

Spoiler = Callable[[Runner, Any, float], None]


def pixels(runner: Runner, batch: Any, value: float) -> None:  # noqa: ARG001
    """One pixel."""
    image = batch["inputs"][0] = batch["inputs"][0].float()
    image[0, 3, 5] = value


def loss(runner: Runner, batch: Any, value: float) -> None:  # noqa: ARG001
    """The classification loss, and all gradients with it."""
    runner.model.bbox_head.loss_cls.loss_weight = value


def loss_alone(runner: Runner, batch: Any, value: float) -> None:  # noqa: ARG001
    """The sum of the losses, which leaves the gradients finite."""
    parse = runner.model.parse_losses

    def spoilt(losses: dict) -> tuple:
        total, logged = parse(losses)
        return total + value, {**logged, "loss": total.detach() + value}

    runner.model.parse_losses = spoilt


def gradient(runner: Runner, batch: Any, value: float) -> None:  # noqa: ARG001
    """One gradient under losses that are finite."""
    weight = runner.model.backbone.layer2[0].conv1.weight
    weight.register_hook(lambda given: torch.full_like(given, value))


SPOILERS: tuple[Spoiler, ...] = (pixels, loss, loss_alone, gradient)


class Spoil(Hook):
    """Spoils an iteration; keeps the weights that the one before it left."""

    priority = "LOWEST"

    def __init__(self, at: int, spoiler: Spoiler, value: float) -> None:
        self.at, self.spoiler, self.value = at, spoiler, value
        self.before: dict[str, Tensor] = {}

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:  # noqa: ARG002
        """Spoil it."""
        if runner.iter + 1 == self.at:
            self.before = {k: v.clone() for k, v in runner.model.state_dict().items()}
            self.spoiler(runner, data_batch, self.value)


def _as_stock(cfg: Config) -> None:
    """MMEngine's own update and hooks round the same model."""
    cfg.default_hooks.pop("guard")
    cfg.optim_wrapper.type = "OptimWrapper"
    cfg.optim_wrapper.pop("dtype", None)


def spoilt(data: Path, setting: dict, at: int, spoiler: Spoiler, value: float, stock: bool) -> Any:
    """Train with an iteration spoilt; what was wrong, or None."""
    where = f"{spoiler.__name__} {value} at {at}, {setting}"
    hook, runners = Spoil(at, spoiler, value), []
    with scratch_folder() as folder:
        cfg = tiny_config(data, folder, **setting)
        if stock:
            _as_stock(cfg)

        def change(runner: Runner) -> None:
            runners.append(runner)
            runner.register_hook(hook)

        code = train(cfg, change)
        wrong = [
            *(["exit code 0"] if code == 0 else []),
            *(["no report"] if not list(folder.rglob(REPORT)) else []),
            *_spoilt_checkpoints(folder, at),
            *_changed(hook.before, runners[0].model.state_dict()),
        ]
    return f"{where}: {', '.join(wrong)}" if wrong else None


def _spoilt_checkpoints(folder: Path, at: int) -> list[str]:
    """Checkpoints of the spoilt iteration or a later one."""
    paths = [*folder.glob("epoch_*.pth"), *folder.glob("iter_*.pth")]
    found = [torch.load(path, weights_only=False)["meta"]["iter"] for path in paths]
    return [f"a checkpoint after iteration {number}" for number in found if number >= at]


def _changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> list[str]:
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    return [f"{len(changed)} tensors changed"] if changed else []


def _trials(trials: int, stock: bool = False) -> Outcome:
    warm()
    # at the first iteration, inside an epoch, and at its end
    cases = list(product(SETTINGS, (1, 3, 4), SPOILERS, BAD))
    picked = [cases[i * len(cases) // trials] for i in range(min(trials, len(cases)))]
    with scratch_folder() as folder:
        data = write_data(folder / "data")
        works = [
            partial(spoilt, data, setting, at, spoiler, value, stock)
            for setting, at, spoiler, value in picked
        ]
        return tally(in_forks(works))


ROWS = (
    Row(
        "N4",
        "after a loss or gradient that is not finite: no weight changed, no checkpoint, a report",
        _trials,
        trials=72,
        quick=4,
        stock=partial(_trials, stock=True),
        stock_trials=12,
    ),
)
