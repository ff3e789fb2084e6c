"""Hostile checkpoints, at every address by which MMEngine finds one."""

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from mmengine.model import PretrainedInit, initialize
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as mmengine_checkpoint

from ..compat import checkpoints
from .hostile import Hostile, Opening, Scene
from .hostile_pickles import LOCAL, REFUSED, Writer, make_folder, pickled, saved

UNSAFE = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
EVIL = saved(make_folder)
STOCK: dict[str, Callable] = {
    "": mmengine_checkpoint.load_from_local,
    "http": mmengine_checkpoint.load_from_http,
    "torchvision": mmengine_checkpoint.load_from_torchvision,
    "modelzoo": mmengine_checkpoint.load_from_torchvision,
    "open-mmlab": mmengine_checkpoint.load_from_openmmlab,
    "openmmlab": mmengine_checkpoint.load_from_openmmlab,
    "mmcls": mmengine_checkpoint.load_from_mmcls,
    "s3": mmengine_checkpoint.load_from_ceph,
    "petrel": mmengine_checkpoint.load_from_ceph,
    "pavi": mmengine_checkpoint.load_from_pavi,
}


def _openings(address: str) -> tuple[Opening, Opening]:
    scheme = address.partition("://")[0] if "://" in address else ""
    return (
        partial(CheckpointLoader.load_checkpoint, address, "cpu"),
        partial(STOCK[scheme], address, map_location="cpu"),
    )


def _local(write: Writer, scene: Scene, variable: str | None = None) -> tuple[Opening, Opening]:
    path = scene.folder / "evil.pth"
    write(path, scene.mark)
    both = _openings(str(path))
    return both if variable is None else tuple(_with_variable(variable, one) for one in both)  # type: ignore[return-value]


def _with_variable(name: str, opening: Opening) -> Opening:
    def run() -> object:
        with mock.patch.dict(os.environ, {name: "1"}):
            return opening()

    return run


def _remote(name: str, write: Writer, scene: Scene) -> tuple[Opening, Opening]:
    write(scene.folder / name, scene.mark)
    return _openings(f"{scene.url}/{name}")


def _cached(scene: Scene) -> tuple[Opening, Opening]:
    """Somebody has put another file into the cache, where the hash is not what the name says."""
    path = scene.folder / "torch" / "hub" / "checkpoints" / "r50-0676ba61.pth"
    path.parent.mkdir(parents=True)
    EVIL(path, scene.mark)
    return _openings(f"{scene.url}/r50-0676ba61.pth")


def _zoo(scheme: str, scene: Scene) -> tuple[Opening, Opening]:
    """The zoo's table of names leads to our server."""
    EVIL(scene.folder / "evil.pth", scene.mark)
    table = {"evil": f"{scene.url}/evil.pth"}
    (scene.folder / "table.json").write_text(json.dumps(table))
    return tuple(_with_table(table, scene.folder, one) for one in _openings(f"{scheme}://evil"))  # type: ignore[return-value]


def _with_table(table: dict[str, str], folder: Path, opening: Opening) -> Opening:
    def run() -> object:
        with (
            mock.patch.object(checkpoints, "TORCHVISION_URLS", folder / "table.json"),
            mock.patch.object(checkpoints, "get_external_models", lambda: dict(table)),
            mock.patch.object(checkpoints, "get_mmcls_models", lambda: table),
            mock.patch.object(mmengine_checkpoint, "get_torchvision_models", lambda: table),
            mock.patch.object(mmengine_checkpoint, "get_external_models", lambda: dict(table)),
            mock.patch.object(mmengine_checkpoint, "get_mmcls_models", lambda: table),
        ):
            return opening()

    return run


def _zoo_file(scene: Scene) -> tuple[Opening, Opening]:
    """MMEngine's own table of further names leads to a file."""
    home = scene.folder / "mmengine"
    home.mkdir()
    EVIL(home / "evil.pth", scene.mark)
    (home / "open_mmlab.json").write_text('{"evil": "evil.pth"}')
    return _openings("open-mmlab://evil")


def _storage(address: str, scene: Scene) -> tuple[Opening, Opening]:
    """A client of the storage that hands out the file."""
    EVIL(scene.folder / "evil.pth", scene.mark)
    content = (scene.folder / "evil.pth").read_bytes()
    client = SimpleNamespace(Get=lambda _: content)
    model = SimpleNamespace(name="evil.pth", download=lambda path: Path(path).write_bytes(content))
    modules: dict[str, Any] = {
        "petrel_client": SimpleNamespace(client=SimpleNamespace(Client=lambda **_: client)),
        "pavi": SimpleNamespace(modelcloud=SimpleNamespace(get=lambda _: model)),
    }

    def with_client(opening: Opening) -> Opening:
        def run() -> object:
            with mock.patch.dict(sys.modules, modules):
                return opening()

        return run

    return tuple(with_client(one) for one in _openings(address))  # type: ignore[return-value]


def _pretrained(prefix: str | None, scene: Scene) -> tuple[Opening, Opening]:
    EVIL(scene.folder / "evil.pth", scene.mark)
    address = f"{scene.url}/evil.pth"
    config = {"type": "Pretrained", "checkpoint": address, "prefix": prefix}

    def stock() -> None:
        with mock.patch.dict(CheckpointLoader._schemes, {"http://": STOCK["http"]}):
            PretrainedInit(address, prefix)(torch.nn.Linear(1, 1))

    return partial(initialize, torch.nn.Linear(1, 1), config), stock


KINDS = (
    *(Hostile(name, partial(_local, write), reason) for name, (write, reason) in LOCAL.items()),
    Hostile(UNSAFE, partial(_local, EVIL, variable=UNSAFE), REFUSED),
    Hostile("http", partial(_remote, "evil.pth", EVIL), REFUSED),
    Hostile("http, plain pickle", partial(_remote, "evil.pkl", pickled(2)), "read as|asks for"),
    Hostile("http, wrong hash", partial(_remote, "evil-00000000.pth", EVIL), "sha256"),
    Hostile("cached, wrong hash", _cached, "cannot be downloaded"),
    *(
        Hostile(f"{scheme}://", partial(_zoo, scheme), REFUSED)
        for scheme in ("torchvision", "modelzoo", "open-mmlab", "openmmlab", "mmcls")
    ),
    Hostile("open-mmlab:// of a file", _zoo_file, "no checkpoint that MMEngine knows"),
    *(
        Hostile(f"{scheme}://", partial(_storage, f"{scheme}://a/evil.pth"), REFUSED)
        for scheme in ("s3", "petrel", "pavi")
    ),
    Hostile("init_cfg", partial(_pretrained, None), REFUSED),
    Hostile("init_cfg with a prefix", partial(_pretrained, "backbone."), REFUSED),
)
