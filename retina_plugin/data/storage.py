"""Whether files lie on this machine's disk, where they can be looked at, or on a storage."""

from collections.abc import Mapping
from typing import Any

ON_DISK = ("local", "retina_plugin.safe_local")


def is_on_disk(names: list[str], backend_args: Mapping[str, Any] | None) -> bool:
    """Whether MMEngine's `backend_args` and the names themselves lead to the disk.

    Args:
        names: of files and folders; an address begins with `s3://`, `https://` and the like.
        backend_args: as MMEngine's file functions take them; None for the disk.
    """
    backend = (backend_args or {}).get("backend", ON_DISK[0])
    return backend in ON_DISK and not any("://" in name for name in names)
