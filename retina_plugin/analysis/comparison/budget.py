"""Training within so many minutes: how many iterations fit is found by a short trial."""

import copy
import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

from mmengine.config import Config

from ...engine.safe_files import write_whole
from ...errors import UserError
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
    file = folder / f"{name}.json"
    if file.exists():
        return _read(file, minutes, data)
    iterations = max(int(60 * minutes / seconds_an_iteration(name, cfg, folder, script)), 3)
    work_dir = folder / name
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
    )
    write_whole(file, (json.dumps(asdict(finished), indent=1) + "\n").encode())
    return finished


def training_seconds(work_dir: Path, iterations: int) -> float:
    """Of all iterations, by those up to the last line of the log; 0 without any line."""
    lines = seconds_of_iterations(work_dir)
    logged = max(iterations // LOGGED, 1) * min(LOGGED, iterations)
    return sum(lines) * iterations / logged


def _read(file: Path, minutes: float, data: str) -> Trained:
    try:
        found = Trained(**json.loads(file.read_text()))
    except (TypeError, ValueError) as error:
        raise UserError(f"{file} holds no figures of a training: {error}.") from error
    if (found.minutes, found.data) != (minutes, data):
        raise UserError(
            f"{file} is of {found.minutes:g} minutes on {found.data}, not of {minutes:g} on "
            f"{data}: trainings that differ are not compared; use another --out."
        )
    if found.checkpoint and not Path(found.checkpoint).is_file():
        raise UserError(
            f"{file}: the weights {found.checkpoint} are gone; remove {file.name} to train again."
        )
    return found


def seconds_an_iteration(name: str, cfg: Config, folder: Path, script: Path) -> float:
    """Of a short trial, in a process of its own.

    Raises:
        UserError: it failed, or its loss was not finite.
    """
    short = with_schedule(cfg, TRIAL)
    short.default_hooks.checkpoint = None
    short.default_hooks.logger = {"type": "LoggerHook", "interval": 1}
    short.log_processor = {"type": "LogProcessor", "window_size": 1, "by_epoch": False}
    for split in ("val", "test"):
        for part in ("dataloader", "evaluator", "cfg"):
            short[f"{split}_{part}"] = None
    config = written(short, folder / "configs" / f"{name}_trial.py")
    work_dir = folder / f"{name}_trial"
    ended = train_apart(script, config, work_dir)
    if ended:
        raise UserError(f"{name} cannot be trained: {ended}")
    return statistics.median(seconds_of_iterations(work_dir)[WARM:])


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
    """What the forward pass of a training computes in."""
    if not cfg.get("fast") and "MixedPrecision" not in cfg.optim_wrapper.type:
        return "float32"
    return cfg.optim_wrapper.get("dtype") or "bfloat16"
