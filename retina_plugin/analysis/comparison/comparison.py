"""Compares models: trains them if that is asked for, evaluates and measures them, shows a table."""

import logging
import os
import platform
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from torch import nn

from ...engine.border import exit_code
from ...engine.launch import completed, read_config, start
from ...errors import UserError
from ...recipe.classes import heads_of
from ...recipe.datasets import datasets_of
from ...recipe.paths import full_ann_file
from ...recipe.speed import choose_speed
from ..dataset_name import data_of
from ..scalars import coco_metrics
from ..shown_tables import print_tables, terminal, write_markdown, write_page
from .budget import Trained, trained
from .candidates import MIXED_PRECISION, Candidate, candidates, combined
from .measured import Cost, built, costs, dataset_samples, image_samples
from .published import metafile_rows, papers_rows, published_rows
from .report import plot, tables
from .rows import MEASURED, Row, write_rows

NOISE = "noise, 640 x 480"


def compare(**arguments: Any) -> int:
    """Compares; takes the arguments of tools/compare.py and gives the exit code."""
    return exit_code(partial(_compare, SimpleNamespace(**arguments)))


def _compare(arguments: SimpleNamespace) -> None:
    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: PyTorch finds no GPU here; use --device cpu.")
    if arguments.minutes and not arguments.data_root:
        raise UserError("--minutes: what shall be trained on? Give --data-root FOLDER.")
    MMLogger.get_current_instance().setLevel(logging.WARNING)  # results come in tables
    register_all_modules(init_default_scope=False)
    init_default_scope("mmdet")
    named = candidates(arguments.models)
    published = _published(arguments)
    configs = {each.name: _config(each, arguments) for each in named}
    for each in named:
        if each.checkpoint:  # whatever does not fit is said before anything long begins
            built(configs[each.name], each.checkpoint, "cpu")
    rows = [*_measured(named, configs, arguments)]
    rows += [row for each in named for row in metafile_rows(each)] + published
    _show(rows, arguments)


def _published(arguments: SimpleNamespace) -> list[Row]:
    """The paper's own results where no file is named."""
    if arguments.published is None:
        return []
    if arguments.published:
        return [row for file in arguments.published for row in published_rows(file)]
    return papers_rows(arguments.configs)


def _config(candidate: Candidate, arguments: SimpleNamespace) -> Config:
    """A model's config, in the data and schedule that all share if there are such."""
    alone: dict[str, Any] = {"launcher": "none", "local_rank": 0, "work_dir": str(arguments.out)}
    options = list(arguments.cfg_options)
    if not arguments.data_root:
        given = SimpleNamespace(config=str(candidate.path), cfg_options=options, **alone)
        return _on_its_own(read_config(given), given)
    options = [f"data_root={arguments.data_root}/", *options]
    given = SimpleNamespace(config=str(arguments.recipe), cfg_options=options, **alone)
    cfg = combined(candidate, read_config(given))
    if arguments.amp and not cfg.fast:
        cfg.optim_wrapper.type = MIXED_PRECISION
    splits = ("train", "val") if arguments.minutes else ("test",)
    return completed(cfg, splits, given, say=None)


def _on_its_own(cfg: Config, given: SimpleNamespace) -> Config:
    """A config with its own data if they are there; without any, what building a model needs."""
    if has_data(cfg):
        return completed(cfg, ("test",), given, say=None)
    if any(head.num_classes is None for _, head in heads_of(cfg.model)):
        raise UserError(
            f"{given.config} leaves num_classes open, which is read from data: give --data-root."
        )
    choose_speed(cfg)
    return cfg


def _measured(
    named: list[Candidate], configs: Mapping[str, Config], arguments: SimpleNamespace
) -> list[Row]:
    data = data_of(arguments.data_root) if arguments.data_root else ""
    runs: dict[str, Trained] = {}
    for each in named:
        if arguments.minutes and not each.checkpoint:
            cfg, script = configs[each.name], arguments.train_script
            terminal().print(f"training {each.name} for {arguments.minutes:g} minutes ...")
            runs[each.name] = trained(
                each.name, cfg, arguments.minutes, data, arguments.out, script
            )
    metrics = {name: run.metrics for name, run in runs.items()}
    for each in named:
        if each.checkpoint and has_data(configs[each.name]):
            terminal().print(f"evaluating {each.name} ...")
            metrics[each.name] = evaluated(configs[each.name], each.checkpoint)
    found = _costs(named, configs, runs, arguments)
    return [
        _row(each, found[each.name], metrics.get(each.name, {}), runs.get(each.name), data)
        for each in named
    ]


def has_data(cfg: Config) -> bool:
    """Whether the annotations that a config is to be tested with are there."""
    return all(
        Path(full_ann_file(dataset)).is_file() for _, _, dataset in datasets_of(cfg, ("test",))
    )


def evaluated(cfg: Config, checkpoint: str) -> dict[str, float]:
    """COCO's numbers of a checkpoint on the config's test data."""
    cfg = Config(cfg.to_dict())
    cfg.load_from, cfg.log_level = checkpoint, "WARNING"
    return coco_metrics(start(cfg).test())


def _costs(
    named: list[Candidate],
    configs: Mapping[str, Config],
    runs: Mapping[str, Trained],
    arguments: SimpleNamespace,
) -> dict[str, Cost]:
    models: dict[str, nn.Module] = {}
    samples = {}
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    for each in named:
        cfg, run = configs[each.name], runs.get(each.name)
        models[each.name] = built(
            cfg, each.checkpoint or (run.checkpoint if run else "") or None, arguments.device
        )
        from_data = bool(arguments.data_root) or has_data(cfg)
        source = (
            dataset_samples(cfg, arguments.images) if from_data else image_samples(cfg, [noise])
        )
        samples[each.name] = list(source)
    return costs(models, samples, arguments.repeats, arguments.device)


def _row(
    candidate: Candidate, cost: Cost, metrics: dict[str, float], run: Trained | None, data: str
) -> Row:
    remarks = [cost.note] if cost.note else []
    if run:
        remarks.append(_said(run))
    elif not candidate.checkpoint:
        remarks.append("random weights")
    height, width = cost.input
    remarks.append(f"input {width} x {height} in {cost.precision}")
    return Row(
        model=candidate.name,
        source=MEASURED,
        data=data or NOISE,
        metrics={name: 100 * value if value >= 0 else value for name, value in metrics.items()},
        milliseconds=1000 * cost.seconds[0],
        timed_on=machine(),
        parameters=cost.parameters,
        multiply_adds=cost.multiply_adds,
        peak_bytes=cost.peak_bytes,
        note="; ".join(remarks),
    )


def _said(run: Trained) -> str:
    if run.ended:
        return f"training stopped: {run.ended}"
    return (
        f"trained {run.seconds / 60:.0f} min: {run.iterations} iterations of {run.images} images "
        f"in {run.precision}"
    )


def machine() -> str:
    """What the times were measured on."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{os.cpu_count()} cores {platform.machine()}"


def _show(rows: list[Row], arguments: SimpleNamespace) -> None:
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_rows(rows, arguments.out / "comparison.json")
    shown = tables(rows)
    console = terminal()
    print_tables(shown, console)
    write_markdown(shown, arguments.out / "comparison.md")
    write_page(shown, arguments.out / "comparison.html", "Detectors side by side")
    drawn = " and figure2_speed" if plot(rows, arguments.out) else ""
    console.print(f"comparison.json, .md and .html{drawn} are in {arguments.out}.")
