"""Compares models: trains them if that is asked for, evaluates and measures them, shows a table."""

import itertools
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

from ...engine.border import exit_code, in_one_sentence
from ...engine.launch import start
from ...errors import UserError
from ..arguments import check_device, check_folder, check_positive
from ..dataset_name import data_of, evaluation_data
from ..scalars import coco_metrics
from ..shown_tables import AP, AP_OF_SIZES, Page, print_page, terminal, write_html, write_markdown
from .budget import Trained, kept, trained
from .candidates import Candidate, candidates
from .configs import config_of, has_data
from .measured import (
    Cost,
    Ready,
    built,
    costs,
    dataset_samples,
    image_samples,
    multiply_adds,
    predict,
)
from .published import metafile_rows, papers_rows, published_rows
from .report import plot, tables
from .rows import MEASURED, Row, write_rows

NOISE = "noise, 640 x 480"
NUMBERS = itertools.count()


def compare(**arguments: Any) -> int:
    """Compares; takes the arguments of tools/compare.py and gives the exit code."""
    return exit_code(partial(_compare, SimpleNamespace(**arguments)))


def _compare(arguments: SimpleNamespace) -> None:
    check_arguments(arguments)
    arguments.recipe = arguments.recipe or arguments.configs / "retinanet_custom.py"
    MMLogger.get_current_instance().setLevel(logging.WARNING)  # results come in tables
    register_all_modules(init_default_scope=False)
    init_default_scope("mmdet")
    named = candidates(arguments.models)
    others = other_rows(named, arguments)  # before anything long begins, as the files may be broken
    configs = {each.name: config_of(each, arguments) for each in named}
    data = data_of(arguments.data_root) if arguments.data_root else ""
    check_models(named, configs, data, arguments)
    _show([*_measured(named, configs, data, arguments), *others], arguments)


def check_arguments(arguments: SimpleNamespace) -> None:
    """Raise UserError for what cannot be done."""
    check_device(arguments.device)
    check_positive(arguments, "images", "repeats", "minutes")
    check_folder(arguments.out, "--out")
    if arguments.minutes and not arguments.data_root:
        raise UserError("--minutes: what shall be trained on? Give --data-root FOLDER.")
    if arguments.amp and not arguments.minutes:
        raise UserError("--amp is of trainings, and none is asked for: give --minutes N.")
    if arguments.recipe and not arguments.data_root:
        raise UserError("--recipe is for common data: give --data-root FOLDER, or leave it out.")


def check_models(
    named: list[Candidate], configs: Mapping[str, Config], data: str, arguments: SimpleNamespace
) -> None:
    """Raise UserError for what would fail after hours: weights, proposals, earlier trainings."""
    for each in named:
        cfg = configs[each.name]
        is_second_stage = "roi_head" in cfg.model and "rpn_head" not in cfg.model
        if is_second_stage and (arguments.minutes or (each.checkpoint and has_data(cfg))):
            raise UserError(
                f"{each.path} has no proposal network, and there are no proposals to train or "
                "evaluate it with: name it without CHECKPOINT and --minutes, to be measured."
            )
        if each.checkpoint:
            _check_weights(each, cfg)
        elif arguments.minutes:
            kept(each.name, cfg, arguments.minutes, data, arguments.out)


def _check_weights(candidate: Candidate, cfg: Config) -> None:
    """Raise UserError for weights that do not fit; a model that cannot be built gets its row."""
    try:
        built(cfg, candidate.checkpoint, "cpu")
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001 (a model of the zoo may fail in any way)
        _say(f"{candidate.name} cannot be built, the others go on: {_reason(error)}")


def other_rows(named: list[Candidate], arguments: SimpleNamespace) -> list[Row]:
    """What is not measured here: of the models' metafiles, and published; each once."""
    rows = [row for each in named for row in metafile_rows(each)]
    for file in arguments.published or ():
        rows += published_rows(file)
    if arguments.published == []:
        rows += papers_rows(arguments.configs)
    return [row for index, row in enumerate(rows) if row not in rows[:index]]


def own_data(cfg: Config) -> str:
    """What a model is measured on that has no data of others."""
    return evaluation_data(cfg, "test") if has_data(cfg) else NOISE


@dataclass(frozen=True)
class Outcome:
    """What a model's training and evaluation gave, or why they failed."""

    run: Trained | None = None
    metrics: dict[str, float] | None = None
    failed: str = ""


def _measured(
    named: list[Candidate], configs: Mapping[str, Config], data: str, arguments: SimpleNamespace
) -> list[Row]:
    outcomes = {each.name: _outcome(each, configs[each.name], data, arguments) for each in named}
    found = _costs(named, configs, outcomes, arguments)
    return [
        _row(each, found[each.name], outcomes[each.name], data or own_data(configs[each.name]))
        for each in named
    ]


def _outcome(candidate: Candidate, cfg: Config, data: str, arguments: SimpleNamespace) -> Outcome:
    """Train or evaluate as is asked for; a failure does not stop the other models."""
    name, minutes = candidate.name, arguments.minutes
    try:
        if minutes and not candidate.checkpoint:
            _say(f"training {name} for {minutes:g} minutes ...")
            run = trained(name, cfg, minutes, data, arguments.out, arguments.train_script)
            return Outcome(run, run.metrics)
        if candidate.checkpoint and has_data(cfg):
            _say(f"evaluating {name} ...")
            return Outcome(metrics=evaluated(cfg, candidate.checkpoint))
    except Exception as error:  # noqa: BLE001 (a model of the zoo may fail in any way)
        failed = _reason(error)
        _say(f"{name} failed, the others go on: {failed}")
        return Outcome(failed=failed)
    return Outcome()


def _reason(error: Exception) -> str:
    """Why a model failed, in a line."""
    reason = in_one_sentence(error) or f"{type(error).__name__}: {error}"
    return " ".join(reason.split())[:300].rstrip(".")


def _say(text: str) -> None:
    terminal().print(text, markup=False)


def evaluated(cfg: Config, checkpoint: str) -> dict[str, float]:
    """COCO's numbers of a checkpoint on the config's test data."""
    cfg = Config(cfg.to_dict())
    cfg.load_from, cfg.log_level = checkpoint, "WARNING"
    cfg.experiment_name = f"evaluation_{next(NUMBERS)}"  # MMEngine's own has the second in it
    return coco_metrics(start(cfg).test())


def _costs(
    named: list[Candidate],
    configs: Mapping[str, Config],
    outcomes: Mapping[str, Outcome],
    arguments: SimpleNamespace,
) -> dict[str, Cost | str]:
    """Of each model its cost, or why it cannot be measured, which does not stop the others."""
    ready: dict[str, Ready] = {}
    found: dict[str, Cost | str] = {}
    for each in named:
        run = outcomes[each.name].run
        weights = each.checkpoint or (run.checkpoint if run else None)
        try:
            ready[each.name] = prepared(configs[each.name], weights or None, arguments)
        except Exception as error:  # noqa: BLE001 (as above)
            found[each.name] = f"cannot be measured: {_reason(error)}"
    return found | costs(ready, arguments.repeats, arguments.device)


def prepared(cfg: Config, weights: str | None, arguments: SimpleNamespace) -> Ready:
    """A detector with images for it, of which it has detected in one."""
    model = built(cfg, weights, arguments.device)
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    from_data = dataset_samples(cfg, arguments.images) if has_data(cfg) else None
    samples = list(from_data or image_samples(cfg, [noise]))
    if not samples:
        raise UserError("its test data hold no image")
    predict(model, samples[0])
    return Ready(model, samples, multiply_adds(model, samples[0]))


def _row(
    candidate: Candidate,
    cost: Cost | str,
    outcome: Outcome,
    data: str,
) -> Row:
    run, metrics = outcome.run, outcome.metrics
    remarks = [_said(run)] if run else []
    if outcome.failed:
        remarks.append(f"failed: {outcome.failed}")
    if not candidate.checkpoint and not (run and run.checkpoint):
        remarks.append("random weights, so with few or no detections")
    if metrics == {} and not (run and run.ended):
        remarks.append("its evaluator gives no COCO AP")
    row = Row(candidate.name, MEASURED, data, percent(metrics or {}))
    if isinstance(cost, str):
        return replace(row, note="; ".join([*remarks, cost]))
    height, width = cost.input
    remarks.append(f"input {width} x {height} in {cost.precision}")
    if cost.note:
        remarks.append(cost.note)
    return replace(
        row,
        milliseconds=1000 * cost.seconds[0],
        timed_on=cost.machine,
        parameters=cost.parameters,
        multiply_adds=cost.multiply_adds,
        peak_bytes=cost.peak_bytes,
        note="; ".join(remarks),
    )


def percent(metrics: Mapping[str, float]) -> dict[str, float]:
    """COCO's numbers from 0 to 100; its -1 stays."""
    return {name: round(100 * value, 4) if value >= 0 else value for name, value in metrics.items()}


def _said(run: Trained) -> str:
    if run.ended:
        return f"training stopped: {run.ended}"
    return (
        f"trained {run.seconds / 60:.0f} min: {run.iterations} iterations of {run.images} images "
        f"in {run.precision}"
    )


def _show(rows: list[Row], arguments: SimpleNamespace) -> None:
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_rows(rows, arguments.out / "comparison.json")
    page = Page("Detectors side by side", tables(rows), f"{AP} {AP_OF_SIZES}")
    console = terminal()
    print_page(page, console)
    write_markdown(page, arguments.out / "comparison.md")
    write_html(page, arguments.out / "comparison.html")
    drawn = " and figure2_speed" if plot(rows, arguments.out) else ""
    console.print(f"comparison.json, .md and .html{drawn} are in {arguments.out}.", markup=False)
