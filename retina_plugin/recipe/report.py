"""The lines that tell what a config was completed with."""

from collections.abc import Iterable
from typing import Any, NamedTuple


class Change(NamedTuple):
    """One value that was filled in, and why."""

    key: str
    value: Any
    reason: str


def _short(value: Any, width: int = 80) -> str:
    text = str(value)
    return text if len(text) <= width else f"{text[: width - 3]}..."


def print_changes(changes: Iterable[Change]) -> None:
    """Prints one line for each change; values of one reason stand together, in their order."""
    by_reason: dict[str, list[Change]] = {}
    for change in changes:
        by_reason.setdefault(change.reason, []).append(change)
    for reason, group in by_reason.items():
        print(f"{reason}:")
        for change in group:
            print(f"    {change.key} = {_short(change.value)}")
