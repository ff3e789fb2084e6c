"""Compares models: trains them if that is asked for, evaluates and measures them, shows a table."""

import itertools
import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from torch import nn

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
from .measured import Cost, built, costs, dataset_samples, image_samples, predict
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
            built(cfg, each.checkpoint, "cpu")
        elif arguments.minutes:
            kept(each.name, cfg, arguments.minutes, data, arguments.out)


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


def _measured(
    named: list[Candidate], configs: Mapping[str, Config], data: str, arguments: SimpleNamespace
) -> list[Row]:
    runs: dict[str, Trained] = {}
    for each in named:
        if arguments.minutes and not each.checkpoint:
            cfg, script = configs[each.name], arguments.train_script
            _say(f"training {each.name} for {arguments.minutes:g} minutes ...")
            runs[each.name] = trained(
                each.name, cfg, arguments.minutes, data, arguments.out, script
            )
    metrics = {name: run.metrics for name, run in runs.items()}
    for each in named:
        if each.checkpoint and has_data(configs[each.name]):
            _say(f"evaluating {each.name} ...")
            metrics[each.name] = evaluated(configs[each.name], each.checkpoint)
    found = _costs(named, configs, runs, arguments)
    return [
        _row(
            each,
            found[each.name],
            metrics.get(each.name),
            runs.get(each.name),
            data or own_data(configs[each.name]),
        )
        for each in named
    ]


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
    runs: Mapping[str, Trained],
    arguments: SimpleNamespace,
) -> dict[str, Cost | str]:
    """Of each model its cost, or why it cannot be measured, which does not stop the others."""
    ready: dict[str, tuple[nn.Module, list[dict]]] = {}
    found: dict[str, Cost | str] = {}
    for each in named:
        run = runs.get(each.name)
        weights = each.checkpoint or (run.checkpoint if run else None)
        try:
            ready[each.name] = prepared(configs[each.name], weights or None, arguments)
        except Exception as error:  # noqa: BLE001 (a model of the zoo may fail in any way)
            reason = in_one_sentence(error) or f"{type(error).__name__}: {error}"
            found[each.name] = f"cannot be measured: {' '.join(reason.split())[:300]}"
    return found | costs(ready, arguments.repeats, arguments.device)


def prepared(
    cfg: Config, weights: str | None, arguments: SimpleNamespace
) -> tuple[nn.Module, list[dict]]:
    """A detector, and images for it, of which it has detected in one."""
    model = built(cfg, weights, arguments.device)
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    from_data = dataset_samples(cfg, arguments.images) if has_data(cfg) else None
    samples = list(from_data or image_samples(cfg, [noise]))
    if not samples:
        raise UserError("its test data hold no image")
    predict(model, samples[0])
    return model, samples


def _row(
    candidate: Candidate,
    cost: Cost | str,
    metrics: dict[str, float] | None,
    run: Trained | None,
    data: str,
) -> Row:
    remarks = [_said(run)] if run else []
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
