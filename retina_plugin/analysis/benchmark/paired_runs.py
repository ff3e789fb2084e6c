"""Trains ours and stock MMDetection's RetinaNet with the same seeds, and compares their AP."""

import json
import math
import statistics
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

from mmengine.config import Config
from rich.console import Console
from rich.table import Table

from ...engine.border import exit_code
from ...engine.launch import completed, read_config
from ...engine.safe_files import write_whole
from ...errors import UserError
from ..arguments import check_folder
from ..dataset_name import evaluation_data
from ..kept_files import content_of, instance
from ..scalars import last_metrics
from ..trainings import run_logged
from .stock_twin import stock_twin

SIDES = ("stock", "ours")
METRICS = ("AP", "AP50")


@dataclass(frozen=True)
class Run:
    """One finished training."""

    side: str
    seed: int
    AP: float
    AP50: float
    seconds: float
    data: str  # names and digests of the annotations


def against_stock(**arguments: object) -> int:
    """Compares; takes the arguments of tools/against_stock.py and gives the exit code."""
    alone = {"launcher": "none", "local_rank": 0, "work_dir": None}
    return exit_code(partial(_against_stock, SimpleNamespace(**alone, **arguments)))


def _against_stock(arguments: SimpleNamespace) -> None:
    check_folder(arguments.out, "--out")
    cfg = completed(read_config(arguments), ("train", "val"), arguments)
    seeds = list(dict.fromkeys(arguments.seeds))
    runs = compare(cfg, arguments.train_script, arguments.out, seeds)
    many = f"{len(seeds)} seeds" if len(seeds) > 1 else f"seed {seeds[0]}"
    print_table(runs, title=f"{Path(arguments.config).stem}, {many}")


def compare(cfg: Config, train_script: Path, out: Path, seeds: list[int]) -> list[Run]:
    """Train both sides with each seed and return the runs; a finished run is not repeated.

    Each run leaves `SIDE_seedN.json` in `out`, so that an interrupted comparison goes on.

    Args:
        cfg: our config, resolved.
        train_script: tools/train.py.
        out: folder of the results.
        seeds: of the runs; a pair shares weights' and data's random numbers.

    Raises:
        UserError: a training failed or was not evaluated, or `out` holds the results of another
            config, of other data, or a broken file.
    """
    twin = stock_twin(cfg)
    data = "; ".join(evaluation_data(cfg, split) for split in ("train", "val"))
    out.mkdir(parents=True, exist_ok=True)
    for side, config in zip(SIDES, (twin, cfg), strict=True):
        _keep(config, out / f"{side}.py")
    return [_run(side, seed, data, train_script, out) for seed in seeds for side in SIDES]


def _keep(config: Config, path: Path) -> None:
    if path.exists() and path.read_text() != config.pretty_text:
        raise UserError(f"--out: {path} is another config; name a new folder, or remove this one.")
    config.dump(path)


def _run(side: str, seed: int, data: str, train_script: Path, out: Path) -> Run:
    result, what = out / f"{side}_seed{seed}.json", "figures of a training"
    if not result.exists():
        started = time.monotonic()
        metrics = _train(out / f"{side}.py", seed, train_script, out / f"{side}_seed{seed}")
        run = Run(side, seed, seconds=round(time.monotonic() - started, 1), data=data, **metrics)
        write_whole(result, (json.dumps(asdict(run)) + "\n").encode())
    run = instance(Run, content_of(result, what), result, what)
    if run.data != data:
        raise UserError(f"--out: {result} is of {run.data}, not of {data}; name a new folder.")
    return run


def _train(config: Path, seed: int, train_script: Path, work_dir: Path) -> dict[str, float]:
    options = [f"randomness.seed={seed}", "default_hooks.checkpoint=None"]
    code, log = run_logged(train_script, config, work_dir, options)
    if code:
        raise UserError(f"the training of {config.stem} with seed {seed} failed: see {log}.")
    found = last_metrics(work_dir)
    for name in METRICS:
        if found.get(name, -1) < 0:
            raise UserError(
                f"{work_dir}: its evaluation gives no {name}: val_evaluator.metric_items lacks it, "
                "or the validation data hold no objects."
            )
    return {name: found[name] for name in METRICS}


def difference(runs: list[Run], metric: str) -> tuple[float, float]:
    """Mean and standard error of ours minus stock over paired seeds; the error is NaN for one."""
    value = {(run.side, run.seed): getattr(run, metric) for run in runs}
    seeds = {run.seed for run in runs}
    gaps = [value["ours", seed] - value["stock", seed] for seed in seeds]
    error = statistics.stdev(gaps) / len(gaps) ** 0.5 if len(gaps) > 1 else math.nan
    return statistics.mean(gaps), error


def print_table(runs: list[Run], title: str) -> None:
    """One row a seed, then the mean difference with its standard error."""
    table = Table("seed", *(f"{m} {side}" for m in METRICS for side in SIDES), title=title)
    for seed in sorted({run.seed for run in runs}):
        row = {run.side: run for run in runs if run.seed == seed}
        table.add_row(
            str(seed), *(f"{getattr(row[side], m):.3f}" for m in METRICS for side in SIDES)
        )
    table.add_section()
    cells = []
    for metric in METRICS:
        mean, error = difference(runs, metric)
        cells += ["", f"{mean:+.3f}" + ("" if math.isnan(error) else f" ± {error:.3f}")]
    table.add_row("ours - stock", *cells)
    Console().print(table)
