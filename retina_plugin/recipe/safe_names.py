"""What a config must not name: pickles, which MMEngine executes, and code in a name's place."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from mmengine.config import Config

from ..data.coco_file import PICKLES
from ..errors import UserError
from .datasets import datasets_of, evaluators_of

WRITTEN = ("out_file_path", "outfile_prefix", "proposals_file")  # by evaluators, not read


def check_safe_names(cfg: Config, splits: tuple[str, ...]) -> None:
    """Refuses annotations, proposals and the like that are pickles, and unknown kinds of NMS.

    Raises:
        UserError: there is one; it names key and file.
    """
    sections = [(key, dataset) for _, key, dataset in datasets_of(cfg, splits)]
    sections += [item for split in splits for item in evaluators_of(cfg, split)]
    for key, section in sections:
        for name, value in _values(section, key):
            is_read = name.rpartition(".")[2] not in WRITTEN
            if is_read and isinstance(value, str) and value.lower().endswith(PICKLES):
                raise UserError(
                    f"{name}: {value} is a pickle, which could execute anything when it is read: "
                    "convert it to JSON where it was made."
                )
    for name, value in (*_values(cfg.get("model"), "model"), *_tta(cfg)):
        if name.endswith("nms.type") and not _is_nms(value):
            raise UserError(f"{name}: mmcv has no NMS of the name {value!r}.")


def _tta(cfg: Config) -> Iterator[tuple[str, Any]]:
    return _values(cfg.get("tta_model"), "tta_model")


def _is_nms(name: Any) -> bool:
    """Whether mmcv, which evaluates the text as Python, finds a function of its own by it."""
    module = import_module("mmcv.ops.nms")  # as an attribute, the name is the function inside
    found = getattr(module, name, None) if isinstance(name, str) else name
    return callable(found) and "nms" in getattr(found, "__name__", "")


def _values(section: Any, name: str) -> Iterator[tuple[str, Any]]:
    """All values that are no dict and no list, with their dotted names."""
    if isinstance(section, dict):
        for key, value in section.items():
            yield from _values(value, f"{name}.{key}")
    elif isinstance(section, list | tuple):
        for index, value in enumerate(section):
            yield from _values(value, f"{name}.{index}")
    else:
        yield name, section
