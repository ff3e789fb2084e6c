"""Figures of trained weights on a dataset, with the numbers that they show."""

import itertools
import json
import re
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
from ..arguments import check_positive
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
    cfg = completed(read_config(arguments), ("val",), arguments, say=None)
    init_default_scope(cfg.get("default_scope", "mmdet"))
    found = {}
    for path in arguments.checkpoints:
        model = detector(cfg, existing_checkpoint(path, "checkpoint"))
        batches = Runner.build_dataloader(cfg.val_dataloader, seed=0)
        count = arguments.images // (cfg.val_dataloader.get("batch_size", 1))
        found[path] = examples_of(model, itertools.islice(batches, max(count, 1)))
    last = found[arguments.checkpoints[-1]]
    draw_cumulative(arguments.out, last)
    if len(found) > 1:
        draw_histograms(arguments.out, {_iteration(path): of for path, of in found.items()})
    shares = shares_of_hardest(last)
    (arguments.out / "figure4.json").write_text(json.dumps(shares, indent=1) + "\n")
    _print(shares, arguments.out)


def detector(cfg: Config, checkpoint: str) -> Any:
    """The config's detector with the weights of a checkpoint, for evaluation.

    Raises:
        UserError: it has another head, or the weights do not fit.
    """
    model = MODELS.build(cfg.model)
    if not isinstance(getattr(model, "bbox_head", None), RetinaHead):
        raise UserError(
            "the loss of figure 4 is that of retina_plugin.RetinaHead; use its configs."
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
    console.print(f"figures and figure4.json are in {out}.")


def _iteration(path: str) -> int:
    found = re.findall(r"\d+", Path(path).stem)
    return int(found[-1]) if found else 0
