"""Trains ours and stock MMDetection's RetinaNet with the same seeds, and compares their AP."""

import json
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
from ...errors import UserError
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


def against_stock(**arguments: object) -> int:
    """Compares; takes the arguments of tools/against_stock.py and gives the exit code."""
    alone = {"launcher": "none", "local_rank": 0, "work_dir": None}
    return exit_code(partial(_against_stock, SimpleNamespace(**alone, **arguments)))


def _against_stock(arguments: SimpleNamespace) -> None:
    cfg = completed(read_config(arguments), ("train", "val"), arguments)
    runs = compare(cfg, arguments.train_script, arguments.out, arguments.seeds)
    print_table(runs, title=f"{Path(arguments.config).stem}, {len(arguments.seeds)} seeds")


def compare(cfg: Config, train_script: Path, out: Path, seeds: list[int]) -> list[Run]:
    """Train both sides with each seed and return the runs; a finished run is not repeated.

    Each run leaves `SIDE_seedN.json` in `out`, so that an interrupted comparison goes on.

    Args:
        cfg: our config, resolved.
        train_script: tools/train.py.
        out: folder of the results.
        seeds: of the runs; a pair shares weights' and data's random numbers.

    Raises:
        UserError: a training failed, or `out` holds the results of another config.
    """
    out.mkdir(parents=True, exist_ok=True)
    for side, config in zip(SIDES, (stock_twin(cfg), cfg), strict=True):
        _keep(config, out / f"{side}.py")
    return [_run(side, seed, train_script, out) for seed in seeds for side in SIDES]


def _keep(config: Config, path: Path) -> None:
    if path.exists() and path.read_text() != config.pretty_text:
        raise UserError(f"--out: {path} is another config; name a new folder, or remove this one.")
    config.dump(path)


def _run(side: str, seed: int, train_script: Path, out: Path) -> Run:
    result = out / f"{side}_seed{seed}.json"
    if not result.exists():
        started = time.monotonic()
        metrics = _train(out / f"{side}.py", seed, train_script, out / f"{side}_seed{seed}")
        run = Run(side, seed, seconds=round(time.monotonic() - started, 1), **metrics)
        result.write_text(json.dumps(asdict(run)) + "\n")
    return Run(**json.loads(result.read_text()))


def _train(config: Path, seed: int, train_script: Path, work_dir: Path) -> dict[str, float]:
    options = [f"randomness.seed={seed}", "default_hooks.checkpoint=None"]
    code, log = run_logged(train_script, config, work_dir, options)
    if code:
        raise UserError(f"the training of {config.stem} with seed {seed} failed: see {log}.")
    found = last_metrics(work_dir)
    return {name: found[name] for name in METRICS}


def difference(runs: list[Run], metric: str) -> tuple[float, float]:
    """Mean and standard error of ours minus stock over paired seeds; the error is 0 for one."""
    value = {(run.side, run.seed): getattr(run, metric) for run in runs}
    seeds = {run.seed for run in runs}
    gaps = [value["ours", seed] - value["stock", seed] for seed in seeds]
    error = statistics.stdev(gaps) / len(gaps) ** 0.5 if len(gaps) > 1 else 0.0
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
        cells += ["", f"{mean:+.3f} ± {error:.3f}"]
    table.add_row("ours - stock", *cells)
    Console().print(table)
