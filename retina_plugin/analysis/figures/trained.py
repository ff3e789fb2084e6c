"""Figures of trained weights on a dataset, with the numbers that they show."""

import itertools
import json
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from rich.console import Console
from rich.table import Table

from ...engine.border import exit_code
from ...engine.inferencer import load_detector
from ...engine.launch import completed, existing_checkpoint, read_config
from ...errors import UserError
from ...head import RetinaHead
from ...recipe.datasets import datasets_of, loads_annotations
from ..arguments import check_folder, check_positive
from .drawing import GAMMAS, draw_cumulative, draw_focal_loss, draw_forms, draw_histograms
from .loss_distribution import Examples, examples_of, share_of_hardest

# Statements of section 5.1 on figure 4: of which examples the hardest part is looked at.
HARDEST = {"foreground": 0.2, "background": 0.01}


def curves(**arguments: Any) -> int:
    """Draws what needs no data; takes the arguments of `tools/figures.py curves`."""
    return exit_code(partial(_curves, arguments["out"]))


def _curves(out: Path) -> None:
    draw_focal_loss(out)
    draw_forms(out)
    print(f"figures 1, 5 and 6 are in {out}.")


def loss(**arguments: Any) -> int:
    """Draws figure 4 and p_t over training; takes the arguments of `tools/figures.py loss`."""
    alone = {"launcher": "none", "local_rank": 0, "work_dir": None}
    return exit_code(partial(_loss, SimpleNamespace(**alone, **arguments)))


def _loss(arguments: SimpleNamespace) -> None:
    check_positive(arguments, "images")
    checkpoints, unit = in_order(arguments.checkpoints), unit_of(arguments.checkpoints)
    check_folder(arguments.out, "--out")
    cfg = read_config(arguments)
    for key in ("model", "val_dataloader"):
        if not cfg.get(key):
            raise UserError(f"{arguments.config} has no {key}: give a config that is evaluated.")
    cfg = completed(cfg, ("val",), arguments, say=None)
    resize_boxes_too(cfg)
    init_default_scope(cfg.get("default_scope", "mmdet"))
    found: dict[int, Examples] = {}
    for iteration, path in checkpoints.items():
        model = detector(cfg, path)
        batches = Runner.build_dataloader(cfg.val_dataloader, seed=0)
        count = arguments.images // (cfg.val_dataloader.get("batch_size", 1))
        found[iteration] = examples_of(model, itertools.islice(batches, max(count, 1)))
    last = found[max(found)]
    check_examples(last, arguments.config)
    draw_cumulative(arguments.out, last)
    if len(found) > 1:
        draw_histograms(arguments.out, found, unit)
    shares = shares_of_hardest(last)
    (arguments.out / "figure4.json").write_text(json.dumps(shares, indent=1) + "\n")
    _print(shares, arguments.out)


def resize_boxes_too(cfg: Config) -> None:
    """Load boxes before images are resized: a test pipeline leaves them as they are in the file."""
    for _, _, dataset in datasets_of(cfg, ("val",)):
        loads = [step for step in dataset.pipeline if loads_annotations(step)]
        rest = [step for step in dataset.pipeline if step not in loads]
        dataset.pipeline = [*rest[:1], *loads, *rest[1:]]


def in_order(paths: Sequence[str]) -> dict[int, str]:
    """Checkpoints by their iterations or epochs, the last number in their names, in its order.

    Raises:
        UserError: one is missing, two are of the same iteration, or one of several has no number.
    """
    found: dict[int, str] = {}
    for path in paths:
        numbers = re.findall(r"\d+", Path(path).stem)
        if not numbers and len(paths) > 1:
            raise UserError(
                f"{path} has no iteration in its name, as iter_1000.pth has: rename it."
            )
        iteration = int(numbers[-1]) if numbers else 0
        if iteration in found:
            raise UserError(
                f"{found[iteration]} and {path} are both of iteration {iteration}, by the last "
                "number in their names: name checkpoints of one training."
            )
        found[iteration] = existing_checkpoint(path, "checkpoint")
    return dict(sorted(found.items()))


def unit_of(paths: Sequence[str]) -> str:
    """What the last numbers in the names of checkpoints count.

    Raises:
        UserError: some count epochs and others iterations.
    """
    kinds = {bool(re.search(r"epoch[^0-9]*\d+[^0-9]*$", Path(path).stem)) for path in paths}
    if len(kinds) > 1:
        raise UserError(
            f"{', '.join(paths)}: some are named after epochs, others after iterations; name "
            "checkpoints of one kind."
        )
    return "epochs" if kinds == {True} else "iterations"


def check_examples(examples: Examples, config: str) -> None:
    """Raise UserError where there is nothing to draw."""
    for kind in HARDEST:
        if not getattr(examples, kind).sum():
            raise UserError(
                f"{config}: the validation images that were looked at hold no {kind}; give more "
                "--images, or data with objects."
            )


def detector(cfg: Config, checkpoint: str) -> Any:
    """The config's detector with the weights of a checkpoint, for evaluation.

    Raises:
        UserError: it has another head or a softmax, or the weights do not fit.
    """
    model = MODELS.build(cfg.model)
    if not isinstance(getattr(model, "bbox_head", None), RetinaHead):
        raise UserError(
            "the loss of figure 4 is that of retina_plugin.RetinaHead; use its configs."
        )
    if not model.bbox_head.use_sigmoid_cls:
        raise UserError(
            "figure 4 is of sigmoids, whose logits are those of p_t; this config has a softmax."
        )
    load_detector(model, checkpoint, map_location="cpu")
    return model.eval()


def shares_of_hardest(examples: Examples) -> dict[str, dict[str, float]]:
    """The share of the loss of the hardest examples, of each kind and gamma."""
    return {
        f"hardest {fraction:.0%} of {kind}": {
            f"{gamma:g}": share_of_hardest(getattr(examples, kind), gamma, fraction)
            for gamma in GAMMAS
        }
        for kind, fraction in HARDEST.items()
    }


def _print(shares: dict[str, dict[str, float]], out: Path) -> None:
    table = Table("share of the loss", *(f"gamma {gamma:g}" for gamma in GAMMAS))
    for kind, of_kind in shares.items():
        table.add_row(kind, *(f"{share:.0%}" for share in of_kind.values()))
    console = Console()
    console.print(table)
    console.print(f"figures and figure4.json are in {out}.", markup=False)
