"""MMEngine's checkpoint loaders, for paths, URLs and names of model zoos, by the safe reader.

MMEngine 0.10.7 fails on its own checkpoints under PyTorch >= 2.6, and unpickles without any check
whatever it downloads. The loaders' names matter: MMEngine logs them from the eleventh letter on.
"""

from pathlib import Path
from typing import Any

import mmengine
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import (
    get_deprecated_model_names,
    get_external_models,
    get_mmcls_models,
    get_torchvision_models,
)

from ..errors import UserError
from .downloads import fetch
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
    ):
        CheckpointLoader.register_scheme(prefixes, loader, force=True)


def load_from_local(filename: str, map_location: Any = None) -> Any:
    """Read a path, `~` being the home folder."""
    return read_checkpoint(Path(filename).expanduser(), map_location)


def load_from_http(filename: str, map_location: Any = None) -> Any:
    """Download a URL once, compare the hash that its name carries, and read the copy."""
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
