"""Files from the network, kept where `torch.hub` keeps them, checked against the hash they name."""

import hashlib
import os
import re
import sys
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlparse

import torch
from mmengine.dist import barrier, get_rank

from ..errors import UserError

# "-" and the first digits of the sha256, as PyTorch and OpenMMLab name their files; a date such as
# -20210131 is none.
HASH = re.compile(r"-(?!20\d{6}\.)([0-9a-f]{8,64})\.\w+$")


def fetch(url: str) -> Path:
    """Local copy of `url`; the process of rank 0 downloads first, the others find its copy.

    Raises:
        UserError: There is no copy and no network, or the file is not the one that its name says.
    """
    if get_rank() != 0:
        barrier()
        return _fetch(url)
    try:
        return _fetch(url)
    finally:
        barrier()


def _fetch(url: str) -> Path:
    path = cached_path(url)
    prefix = named_hash(path.name)
    if path.is_file() and has_hash(path, prefix):
        return path
    _make_writable(path.parent)
    try:
        torch.hub.download_url_to_file(url, str(path), prefix, progress=sys.stderr.isatty())
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(
            f"{path.name} cannot be downloaded from {url} ({reason}): put the file at {path}, or, "
            "for a backbone, start from random weights with model.backbone.init_cfg=None."
        ) from error
    except RuntimeError as error:
        raise UserError(
            f"{url} does not have the sha256 that its name says ({error}): put the right file at "
            f"{path}, or give the path of a file that you trust."
        ) from error
    return path


def _make_writable(folder: Path) -> None:
    reason = "it is read-only"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return
    except OSError as error:
        reason = error.strerror or str(error)
    raise UserError(
        f"Weights cannot be downloaded to {folder} ({reason}): set the variable TORCH_HOME to a "
        "folder that can be written to."
    )


def cached_path(url: str) -> Path:
    """Where the copy of `url` is kept; a name without a hash may be that of several addresses."""
    name = os.path.basename(urlparse(url).path)
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    if named_hash(name) is None:
        folder /= hashlib.sha256(url.encode()).hexdigest()[:8]
    return folder / name


def named_hash(name: str) -> str | None:
    """The first digits of the sha256 that a file's name carries, if any."""
    match = HASH.search(name)
    return match[1] if match else None


def is_verified(url: str) -> bool:
    """Whether the name at the end of `url` carries a hash, with which the file is compared."""
    return named_hash(cached_path(url).name) is not None


def has_hash(path: Path, prefix: str | None) -> bool:
    """Whether the sha256 of the file begins with `prefix`; None fits every file."""
    if prefix is None:
        return True
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest().startswith(prefix)
