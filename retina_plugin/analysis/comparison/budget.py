"""Training within so many minutes: how many iterations fit is found by a short trial."""

import copy
import hashlib
import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from mmengine.config import Config

from ...engine.safe_files import write_whole
from ...errors import UserError
from ...precision import chosen_dtype
from ...recipe.datasets import without
from ..kept_files import content_of, instance
from ..scalars import last_metrics, seconds_of_iterations
from ..trainings import train_apart

TRIAL = 16  # iterations
WARM = 4  # of them, not counted: the first ones are slow
LOGGED = 25  # iterations from one line of the log to the next
WARMUP = 1 / 6  # of the schedule, at most LONGEST_WARMUP iterations
LONGEST_WARMUP = 500  # as in MMDetection's schedules
FALLS = 2 / 3, 8 / 9  # where the rate falls by 10, as in the paper


@dataclass(frozen=True)
class Trained:
    """What is kept of a training."""

    name: str
    data: str  # name of the folder and digest of its annotations
    minutes: float  # that it was given
    iterations: int  # that were found to fit
    seconds: float  # that they took
    images: int  # in an iteration
    precision: str
    ended: str  # "" if it went to its end, else the sentence that it ended with
    metrics: dict[str, float]
    checkpoint: str
    settings: str  # of `digest_of`


def trained(
    name: str, cfg: Config, minutes: float, data: str, folder: Path, script: Path
) -> Trained:
    """Train for so many minutes and evaluate; what is done already is read from its file.

    Args:
        name: of the model.
        cfg: its config, with data.
        minutes: of training alone, without start and evaluation.
        data: as `data_of` names it.
        folder: for the file `NAME.json`, configs and work dirs.
        script: tools/train.py.

    Raises:
        UserError: the training failed, or the file is of another budget or other data.
    """
    found = kept(name, cfg, minutes, data, folder)
    if found:
        return found
    work_dir = folder / name
    iterations, ended = 0, trial(name, cfg, folder, script)
    if not ended:
        iterations = fitting(minutes, seconds_of_iterations(trial_dir(name, folder))[WARM:])
        config = written(with_schedule(cfg, iterations), folder / "configs" / f"{name}.py")
        ended = train_apart(script, config, work_dir)
    finished = Trained(
        name=name,
        data=data,
        minutes=minutes,
        iterations=iterations,
        seconds=round(training_seconds(work_dir, iterations), 1),
        images=cfg.train_dataloader.batch_size,
        precision=precision_of(cfg),
        ended=ended,
        metrics={} if ended else last_metrics(work_dir),
        checkpoint="" if ended else str(work_dir / f"iter_{iterations}.pth"),
        settings=digest_of(cfg),
    )
    write_whole(folder / f"{name}.json", (json.dumps(asdict(finished), indent=1) + "\n").encode())
    return finished


def fitting(minutes: float, seconds: Sequence[float]) -> int:
    """How many iterations fit, by those of a trial; 3 at least."""
    return max(int(60 * minutes / statistics.median(seconds)), 3)


def training_seconds(work_dir: Path, iterations: int) -> float:
    """Of all iterations, by those up to the last line of the log; 0 without any line."""
    if iterations == 0:
        return 0.0
    logged = max(iterations // LOGGED, 1) * min(LOGGED, iterations)
    return sum(seconds_of_iterations(work_dir)) * iterations / logged


def kept(name: str, cfg: Config, minutes: float, data: str, folder: Path) -> Trained | None:
    """What an earlier call trained; None if it did not.

    Raises:
        UserError: the file is of another budget, other data or settings, or its weights are gone.
    """
    file = folder / f"{name}.json"
    if not file.exists():
        return None
    what = "figures of a training"
    found = instance(Trained, content_of(file, what), file, what)
    if found.name != name:
        raise UserError(f"{file} is of {found.name}, not of {name}; use another --out.")
    if (found.minutes, found.data) != (minutes, data):
        raise UserError(
            f"{file} is of {found.minutes:g} minutes on {found.data}, not of {minutes:g} on "
            f"{data}: trainings that differ are not compared; use another --out."
        )
    if found.settings != digest_of(cfg):
        raise UserError(
            f"{file} is of another model, optimizer, dataset, pipeline, hook or evaluator than "
            "now: trainings that differ are not compared; use another --out."
        )
    if found.checkpoint and not Path(found.checkpoint).is_file():
        raise UserError(
            f"{file}: the weights {found.checkpoint} are gone; remove {file.name} to train again."
        )
    return found


def trial_dir(name: str, folder: Path) -> Path:
    """Where the trial of a model is logged."""
    return folder / f"{name}_trial"


def trial(name: str, cfg: Config, folder: Path, script: Path) -> str:
    """Train a few iterations at the low rate of a schedule's beginning, to see their time.

    Returns:
        Empty, or how it ended because its loss was not finite.

    Raises:
        UserError: it failed otherwise.
    """
    short = with_schedule(cfg, TRIAL)
    warm = {"type": "LinearLR", "start_factor": 0.001, "by_epoch": False, "begin": 0}
    short.param_scheduler = [{**warm, "end": LONGEST_WARMUP}]
    short.default_hooks.checkpoint = None
    short.default_hooks.logger = {"type": "LoggerHook", "interval": 1}
    short.log_processor = {"type": "LogProcessor", "window_size": 1, "by_epoch": False}
    for split in ("val", "test"):
        for part in ("dataloader", "evaluator", "cfg"):
            short[f"{split}_{part}"] = None
    config = written(short, folder / "configs" / f"{name}_trial.py")
    return train_apart(script, config, trial_dir(name, folder))


def with_schedule(cfg: Config, iterations: int) -> Config:
    """The config with a schedule of so many iterations, evaluated and saved at its end."""
    cfg = copy.deepcopy(cfg)
    warm = min(max(int(iterations * WARMUP), 1), LONGEST_WARMUP)
    cfg.train_cfg = {
        "type": "IterBasedTrainLoop",
        "max_iters": iterations,
        "val_interval": iterations,
    }
    milestones = [int(iterations * fall) for fall in FALLS]
    cfg.param_scheduler = [
        {"type": "LinearLR", "start_factor": 0.001, "by_epoch": False, "begin": 0, "end": warm},
        {"type": "MultiStepLR", "by_epoch": False, "milestones": milestones, "gamma": 0.1},
    ]
    cfg.train_dataloader.sampler = {"type": "InfiniteSampler", "shuffle": True}
    every = min(LOGGED, iterations)
    cfg.setdefault("default_hooks", {})
    cfg.default_hooks.logger = {"type": "LoggerHook", "interval": every}
    cfg.log_processor = {"type": "LogProcessor", "window_size": every, "by_epoch": False}
    cfg.default_hooks.checkpoint = {
        "type": "CheckpointHook",
        "by_epoch": False,
        "interval": iterations,
        "save_optimizer": False,
    }
    return cfg


def written(cfg: Config, path: Path) -> Path:
    """The config as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cfg.dump(path)
    return path


def precision_of(cfg: Config) -> str:
    """What the forward pass of a training computes in, on this machine."""
    wrapper = cfg.optim_wrapper
    if wrapper.type.endswith("AmpOptimWrapper"):
        return wrapper.get("dtype") or "float16"
    if not cfg.get("fast") and "MixedPrecision" not in wrapper.type:
        return "float32"
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return chosen_dtype(wrapper.get("dtype") or "auto", device)


def digest_of(cfg: Config) -> str:
    """Of what decides how a model trains and is evaluated; `data` tells the data of a folder."""
    loaders = cfg.train_dataloader, cfg.val_dataloader
    parts = [
        cfg.model,
        cfg.optim_wrapper,
        cfg.train_dataloader.get("batch_size"),
        [without(("data_root",), loader.get("dataset", {})) for loader in loaders],
        cfg.get("load_from"),
        cfg.get("randomness", {}).get("seed"),
        cfg.get("custom_hooks"),
        cfg.get("default_hooks", {}).get("guard"),
        cfg.train_dataloader.get("batch_sampler"),
        without(("ann_file", "outfile_prefix"), cfg.get("val_evaluator")),
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
