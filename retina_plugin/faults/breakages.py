"""Ways in which a checkpoint is broken, by accident or by mistake."""

import json
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..compat.safe_load import read_checkpoint

Breakage = Callable[[Path, Path], None]  # (the good file, the broken one that it writes)
CUTS, FLIPS = 50, 20


class _Claim:
    """Pickles as a tensor of another size than its storage."""

    def __init__(self, size: int, stride: int) -> None:
        self.size, self.stride = size, stride

    def __reduce__(self) -> tuple:
        """Function and arguments."""
        storage = torch.ones(2)._typed_storage()
        size, stride, hooks = (self.size,), (self.stride,), dict[str, Any]()
        return torch._utils._rebuild_tensor_v2, (storage, 0, size, stride, False, hooks)


def cut(part: float, good: Path, broken: Path) -> None:
    """The first part of the file."""
    content = good.read_bytes()
    broken.write_bytes(content[: int(part * len(content))])


def flip(part: float, good: Path, broken: Path) -> None:
    """One bit of the file."""
    content = bytearray(good.read_bytes())
    content[int(part * len(content))] ^= 1 << int(97 * part) % 8
    broken.write_bytes(content)


def _holds(content: bytes) -> Breakage:
    def write(_: Path, broken: Path) -> None:
        broken.write_bytes(content)

    return write


def _saved(change: Callable[[dict[str, Any]], Any]) -> Breakage:
    """The good content with a change, whole as a file."""

    def write(good: Path, broken: Path) -> None:
        checkpoint = read_checkpoint(good)
        changed = change(checkpoint)
        torch.save(checkpoint if changed is None else changed, broken)

    return write


def _weight(key: str, change: Callable[[Tensor], Any]) -> Breakage:
    """One weight changed."""

    def replace(checkpoint: dict[str, Any]) -> None:
        weights = checkpoint["state_dict"]
        weights[key] = change(weights[key])

    return _saved(replace)


def _only(names: str, checkpoint: dict[str, Any]) -> None:
    weights = checkpoint["state_dict"]
    for key in [key for key in weights if not key.startswith(names)]:
        del weights[key]


def _without(name: str, checkpoint: dict[str, Any]) -> None:
    del checkpoint["state_dict"][name]


def _deeper(checkpoint: dict[str, Any]) -> None:
    checkpoint["state_dict"]["backbone.3.weight"] = torch.ones(9, 9)


def _renamed(checkpoint: dict[str, Any]) -> None:
    weights = checkpoint["state_dict"]
    checkpoint["state_dict"] = {f"model.{key}": value for key, value in weights.items()}


def _old_half(good: Path, broken: Path) -> None:
    """Cut off, in the format before PyTorch 1.6, which has no checksums."""
    torch.save(read_checkpoint(good), broken, _use_new_zipfile_serialization=False)
    cut(0.7, broken, broken)


def _foreign_zip(_: Path, broken: Path) -> None:
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("readme.txt", "no weights here")


def _nowhere(_: Path, broken: Path) -> None:
    broken.symlink_to("gone.pth")


def _folder(_: Path, broken: Path) -> None:
    broken.mkdir()


CONV, BIAS, HEAD = "backbone.0.weight", "neck.bias", "bbox_head.retina_cls.weight"
SINGLE: dict[str, Breakage] = {
    "empty": _holds(b""),
    "text": _holds(b"some text\n"),
    "JSON": _holds(json.dumps({"state_dict": {}}).encode()),
    "HTML page": _holds(b"<!DOCTYPE html><title>404</title>"),
    "pointer of git-lfs": _holds(b"version https://git-lfs.github.com/spec/v1\nsize 9\n"),
    "zeros": _holds(bytes(10_000)),
    "pickle of a text": _holds(b"\x80\x02X\x02\x00\x00\x00hiq\x00."),
    "another zip": _foreign_zip,
    "cut off, before 1.6": _old_half,
    "link to nowhere": _nowhere,
    "folder": _folder,
    "number": _saved(lambda _: 3),
    "list": _saved(lambda _: [torch.ones(2)]),
    "empty dict": _saved(lambda _: {}),
    "no weights": _saved(lambda checkpoint: checkpoint["state_dict"].clear()),
    "weights as a list": _saved(lambda c: {**c, "state_dict": list(c["state_dict"].values())}),
    "weight as text": _weight(CONV, str),
    "weight as a list": _weight(CONV, Tensor.tolist),
    "weight without numbers": _weight(CONV, lambda value: value.to("meta")),
    "whole numbers": _weight(CONV, Tensor.long),
    "NaN": _weight(CONV, lambda value: value * torch.nan),
    "one infinity": _weight(BIAS, lambda value: value.index_fill(0, torch.tensor(1), torch.inf)),
    "claims a huge size": _weight(CONV, lambda _: _Claim(10**13, 1)),
    "claims a huge view": _weight(CONV, lambda _: _Claim(10**13, 0)),
    "a weight is missing": _saved(partial(_without, CONV)),
    "head alone": _saved(partial(_only, "bbox_head")),
    "other width": _weight(CONV, lambda value: value.repeat(2, 1)),
    "other depth": _saved(_deeper),
    "other classes": _weight(HEAD, lambda value: value.repeat(2, 1)),
    "other names": _saved(_renamed),
}
SERIAL: dict[str, Breakage] = {
    **{f"cut at {i}/{CUTS}": partial(cut, i / CUTS) for i in range(CUTS)},
    **{f"bit at {i}/{FLIPS}": partial(flip, (i + 0.5) / FLIPS) for i in range(FLIPS)},
}
