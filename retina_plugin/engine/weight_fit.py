"""How the weights of a checkpoint fit a model, by name, shape and kind of number."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import UserError

LONGEST = 500  # name of a weight
COUNTER = "num_batches_tracked"  # MMEngine does not miss it either


@dataclass(frozen=True)
class Fit:
    """How weights fit a model; names, of counters of batches none."""

    fitting: list[str]
    missing: list[str]
    misshapen: dict[str, str]  # with both shapes, in words
    unexpected: list[str]
    parts: frozenset[str]  # of the model: backbone, neck, bbox_head
    share: float  # of the model's numbers that get a value

    def wrong_in(self, parts: Iterable[str]) -> list[str]:
        """Names of parts of the model that do not match, the misshapen first, with shapes."""
        names = [f"{key} {text}" for key, text in self.misshapen.items() if part(key) in parts]
        names += [f"{key} is missing" for key in self.missing if part(key) in parts]
        return names + [f"{key} is unknown" for key in self.unexpected if part(key) in parts]


def weights_in(checkpoint: Any) -> dict[str, Tensor]:
    """The weights by the names that the model has for them.

    Raises:
        UserError: there are none, one is no tensor, or has a name that nobody can print.
    """
    weights = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, dict) else None
    if not isinstance(weights, dict) or not weights:
        raise UserError("holds no weights: its state_dict is missing or empty.")
    for key, value in weights.items():
        if not _is_name(key):
            raise UserError(f"holds no model: its state_dict has the name {str(key)[:80]!r}.")
        if not _is_plain(value):
            what = type(value).__name__
            raise UserError(f"holds no model: {key!r} in its state_dict is no tensor but {what}.")
    return {re.sub(r"^module\.", "", key): value for key, value in weights.items()}


def compare(model: nn.Module, weights: dict[str, Tensor]) -> Fit:
    """Load what fits, as MMEngine will do once more, and tell what does not."""
    expected = {key: value for key, value in model.state_dict().items() if COUNTER not in key}
    misshapen = {
        key: f"is {_kind(weights[key])} in the file, {_kind(value)} in the model"
        for key, value in expected.items()
        if key in weights and _kind(weights[key]) != _kind(value)
    }
    whole = {key: value for key, value in weights.items() if key not in misshapen}
    missing, unexpected = list[str](), list[str]()
    if whole.keys() != expected.keys():
        # Modules may know their weights by older names: only loading tells.
        missing, unexpected = model.load_state_dict(whole, strict=False)
    missing = [key for key in missing if key in expected and key not in misshapen]
    found = [key for key in expected if key not in misshapen and key not in set(missing)]
    total = sum(value.numel() for value in expected.values())
    return Fit(
        fitting=[key for key in found if key in whole],
        missing=missing,
        misshapen=misshapen,
        unexpected=[key for key in unexpected if COUNTER not in key],
        parts=frozenset(map(part, expected)),
        share=sum(expected[key].numel() for key in found) / max(total, 1),
    )


def part(key: str) -> str:
    """The part of a model that a weight belongs to: `backbone`, `neck`, `bbox_head`."""
    return key.partition(".")[0]


def _is_name(key: object) -> bool:
    """Whether it can be a weight's name, and can be printed."""
    return isinstance(key, str) and key.isprintable() and len(key) <= LONGEST


def _is_plain(value: object) -> bool:
    """Whether it is a tensor whose numbers all are in the file."""
    return (
        isinstance(value, Tensor)
        and value.layout is torch.strided
        and not (value.is_meta or value.is_quantized)
    )


def _kind(value: Tensor) -> str:
    number = "" if value.is_floating_point() else f" of {value.dtype}"
    return f"{tuple(value.shape)}{number}"
