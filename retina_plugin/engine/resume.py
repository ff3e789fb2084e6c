"""Which checkpoint a run goes on from: the last whole one."""

import re
from pathlib import Path

from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner import runner as mmengine_runner

from ..compat.whole_file import damage
from ..errors import UserError
from ..log import warn
from .checkpoint import POINTER

OF_TRAINING = re.compile(r"(epoch|iter)_\d+\.pth")  # best_*.pth have no optimizer


def find_latest_checkpoint(path: str) -> str | None:
    """The last whole checkpoint of a work dir; None where there never was one.

    It stands in for MMEngine's function, which gives what `last_checkpoint` says, be it there,
    broken or empty.

    Args:
        path: the work dir.

    Raises:
        UserError: there are checkpoints, and every one is broken.
    """
    pointer = _pointer(Path(path))
    if "://" in pointer:  # on a storage, which cannot be searched
        return pointer
    found = candidates(Path(path))
    for candidate in found:
        reason = damage(candidate)
        if reason is None:
            return str(candidate)
        warn(f"{candidate} is broken ({reason}): trying the checkpoint before it.")
    if found:
        raise UserError(
            f"--resume: all {len(found)} checkpoints in {path} are broken; name a whole one with "
            "--resume PATH, or train into another --work-dir."
        )
    return None


def candidates(work_dir: Path) -> list[Path]:
    """Checkpoints of training: the one that `last_checkpoint` names, then the youngest first."""
    named = _named(work_dir)
    folders = {work_dir.resolve(): work_dir}
    if named is not None:  # a hook's out_dir, with the earlier ones
        folders.setdefault(named.parent.resolve(), named.parent)
    here = [path for folder in folders.values() for path in folder.glob("*.pth")]
    here = [path for path in here if OF_TRAINING.fullmatch(path.name) and path != named]
    here.sort(key=lambda path: path.lstat().st_mtime_ns, reverse=True)
    return ([] if named is None else [named]) + here


def _pointer(work_dir: Path) -> str:
    """What `last_checkpoint` says; empty where it is missing or broken."""
    pointer = work_dir / POINTER
    name = pointer.read_text(errors="replace").strip() if pointer.is_file() else ""
    return "" if "\0" in name else name


def _named(work_dir: Path) -> Path | None:
    """The file that `last_checkpoint` names; beside it, where the folder was moved.

    MMEngine's names may begin in the folder that the run was started in.
    """
    name = _pointer(work_dir)
    places = [work_dir / name, work_dir / Path(name).name, *([Path(name)] if "/" in name else [])]
    for path in places if name else ():
        if path.is_file():
            return path
    return None


mmengine_checkpoint.find_latest_checkpoint = find_latest_checkpoint
mmengine_runner.find_latest_checkpoint = find_latest_checkpoint
