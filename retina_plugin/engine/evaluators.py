"""The two evaluators of COCO's numbers: pycocotools and faster-coco-eval."""

import contextlib
import importlib
import io
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pycocotools.coco
import pycocotools.cocoeval
from mmengine.logging import print_log

from ..errors import UserError

BACKENDS = ("auto", "pycocotools", "faster_coco_eval")


def chosen_backend(backend: str) -> str:
    """The module that evaluates.

    Raises:
        UserError: an unknown one, or one that is not installed.
    """
    if backend not in BACKENDS:
        raise UserError(f"val_evaluator.backend must be one of {BACKENDS}, but got {backend!r}.")
    is_fast_there = find_spec("faster_coco_eval") is not None
    if backend == "auto":
        return "faster_coco_eval" if is_fast_there else "pycocotools"
    if backend == "faster_coco_eval" and not is_fast_there:
        raise UserError(
            "val_evaluator.backend='faster_coco_eval' needs a package that is not installed: "
            "pip install 'retina_plugin[fast]', or set backend='auto'."
        )
    return backend


def classes_of(backend: str) -> tuple[type, type]:
    """Class of a data set and of its evaluation."""
    if backend == "pycocotools":
        return pycocotools.coco.COCO, pycocotools.cocoeval.COCOeval
    package = importlib.import_module(backend)
    return package.COCO, package.COCOeval_faster


def coco_of(coco: type, dataset: dict) -> Any:
    """An object of a data set's class over annotations in COCO's layout."""
    data = coco()
    data.dataset = dataset
    data.createIndex()
    return data


@contextlib.contextmanager
def said_to_the_log() -> Iterator[None]:
    """The evaluators print; their table belongs into the log."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        yield
    table = [line for line in said.getvalue().splitlines() if line.startswith(" Average")]
    print_log("\n" + "\n".join(table), "current")
