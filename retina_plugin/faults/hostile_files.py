"""Files that want to run code, or to be read where they must not be."""

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import UserError
from . import hostile_addresses, hostile_configs, hostile_data, hostile_strings
from .hostile import Hostile, Scene
from .loopback import own_caches, served
from .row import Outcome, Row, tally
from .small_training import silence

KINDS: tuple[Hostile, ...] = (
    *hostile_addresses.KINDS,
    *hostile_strings.KINDS,
    *hostile_configs.KINDS,
    *hostile_data.KINDS,
)


def fault_of(kind: Hostile, is_ours: bool) -> str | None:
    """What goes wrong with one kind of file; None if nothing of it is executed or opened."""
    with tempfile.TemporaryDirectory() as name, own_caches(Path(name)), served(Path(name)) as url:
        scene = Scene(Path(name), url)
        said, error = "", None
        try:
            with silence():
                ours, stock = kind.prepare(scene)
                (ours if is_ours else stock)()
        except Exception as raised:
            said, error = str(raised), raised
        if os.path.lexists(scene.mark):
            return f"{kind.name}: executed"
        return _wrong_sentence(kind, said, error) if is_ours else _silent(kind, error)


def _wrong_sentence(kind: Hostile, said: str, error: Exception | None) -> str | None:
    if kind.reason is None:
        return f"{kind.name}: not read, {said}" if error else None
    if error is None:
        return f"{kind.name}: opened without a word"
    if not isinstance(error, UserError) or "\n" in said or not re.search(kind.reason, said):
        return f"{kind.name}: {type(error).__name__} {said[:200]!r} instead of {kind.reason!r}"
    return None


def _silent(kind: Hostile, error: Exception | None) -> str | None:
    return f"{kind.name}: opened" if kind.reason is not None and error is None else None


def _results(kinds: tuple[Hostile, ...], is_ours: bool) -> Iterator[str | None]:
    for kind in kinds:
        yield fault_of(kind, is_ours)


def _ours(trials: int) -> Outcome:
    return tally(_results(KINDS[:trials], is_ours=True))


def _stock(trials: int) -> Outcome:
    return tally(_results(KINDS[:trials], is_ours=False))


ROWS = (
    Row(
        "S1",
        "a hostile file: nothing of it executed or opened, the reason in a sentence",
        _ours,
        trials=len(KINDS),
        quick=len(KINDS),
        stock=_stock,
        stock_trials=len(KINDS),
    ),
)
