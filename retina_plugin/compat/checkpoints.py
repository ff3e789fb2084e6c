"""MMEngine's checkpoint loaders, for paths, URLs and names of model zoos, by the safe reader.

MMEngine 0.10.7 fails on its own checkpoints under PyTorch >= 2.6, and unpickles without any check
whatever it downloads. The loaders' names matter: MMEngine logs them from the eleventh letter on.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mmengine
from mmengine.fileio import get_file_backend
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import (
    get_deprecated_model_names,
    get_external_models,
    get_mmcls_models,
    get_torchvision_models,
)

from ..errors import UserError
from ..log import warn
from .downloads import fetch, is_verified
from .safe_load import read_checkpoint

# MMEngine's own list of torchvision's weights, which needs no torchvision.
TORCHVISION_URLS = Path(mmengine.__file__).parent / "hub" / "torchvision_0.12.json"


def register() -> None:
    """Make MMEngine load checkpoints by the functions below."""
    for prefixes, loader in (
        ("", load_from_local),
        (("http://", "https://"), load_from_http),
        (("torchvision://", "modelzoo://"), load_from_torchvision),
        (("open-mmlab://", "openmmlab://"), load_from_openmmlab),
        ("mmcls://", load_from_mmcls),
        ("pavi://", load_from_pavi),
        ((r"(\S+\:)?s3://", r"(\S+\:)?petrel://"), load_from_petrel),
    ):
        CheckpointLoader.register_scheme(prefixes, loader, force=True)


def load_from_local(filename: str, map_location: Any = None) -> Any:
    """Read a path, `~` being the home folder."""
    return read_checkpoint(Path(filename).expanduser(), map_location)


def load_from_http(filename: str, map_location: Any = None) -> Any:
    """Download a URL once, compare the hash that its name carries, and read the copy."""
    if filename.startswith("http://") and not is_verified(filename):
        warn(
            f"{filename} came over plain http and has no hash in its name: whoever is on the way "
            "can have changed the weights; use https://, or NAME-SHA256.pth."
        )
    return read_checkpoint(fetch(filename), map_location)


def load_from_torchvision(filename: str, map_location: Any = None) -> Any:
    """Load `torchvision://resnet50`; only names of torchvision's later weights need torchvision."""
    urls, name = mmengine.load(TORCHVISION_URLS), _name(filename)
    if name not in urls:
        urls = _later_torchvision_urls(filename)
    return load_from_http(_look_up(urls, filename), map_location)


def load_from_openmmlab(filename: str, map_location: Any = None) -> Any:
    """Load `open-mmlab://detectron2/resnet50_caffe`, or another name of MMEngine's table."""
    urls, renamed = get_external_models(), get_deprecated_model_names()
    urls.update({old: urls[new] for old, new in renamed.items() if new in urls})
    return load_from_http(_look_up(urls, filename), map_location)


def load_from_mmcls(filename: str, map_location: Any = None) -> dict[str, dict]:
    """Load the backbone of an image classifier, `mmcls://resnet50`."""
    checkpoint = load_from_http(_look_up(get_mmcls_models(), filename), map_location)
    weights, prefix = checkpoint.get("state_dict", checkpoint), "backbone."
    backbone = {key: value for key, value in weights.items() if key.startswith(prefix)}
    return {"state_dict": {key.removeprefix(prefix): value for key, value in backbone.items()}}


def load_from_petrel(filename: str, map_location: Any = None) -> Any:
    """Read `s3://` and `petrel://` addresses through MMEngine's client of that storage."""
    try:
        storage = get_file_backend(filename, backend_args={"backend": "petrel"})
    except ImportError as error:
        raise UserError(_without_client(filename, "petrel_client")) from error
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "checkpoint"
        copy.write_bytes(storage.get(filename))
        return read_checkpoint(copy, map_location, filename)


def load_from_pavi(filename: str, map_location: Any = None) -> Any:
    """Read `pavi://` addresses through the client of that storage."""
    try:
        from pavi import modelcloud
    except ImportError as error:
        raise UserError(_without_client(filename, "pavi")) from error
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "checkpoint"
        modelcloud.get(_name(filename)).download(str(copy))
        return read_checkpoint(copy, map_location, filename)


def _without_client(filename: str, package: str) -> str:
    return (
        f"{filename} can only be read with the package {package}, which is not installed: copy "
        "the file to this machine and give its path."
    )


def _name(filename: str) -> str:
    return filename.split("://", 1)[1]


def _look_up(urls: dict[str, str], filename: str) -> str:
    url = urls.get(_name(filename), "")
    if not url.startswith(("http://", "https://")):
        raise UserError(
            f"{filename} is no checkpoint that MMEngine knows a URL of: give the URL or the path "
            "of the file."
        )
    return url


def _later_torchvision_urls(filename: str) -> dict[str, str]:
    try:
        return get_torchvision_models()
    except ImportError as error:
        raise UserError(
            f"{filename} can only be looked up with torchvision, which is not installed: give the "
            "https:// URL or the path of the file."
        ) from error
