"""MMDetection's own tools, started where mmcv-lite has got its operators.

Most of them import `mmcv.ops` in their first lines, before a config can name this package. Here it
is imported first, and the tool then runs as `python TOOL.py` would run it: nothing is changed in
the user's installation.
"""

import argparse
import difflib
import functools
import runpy
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mmdet
import torch

from ..compat.safe_load import read_checkpoint
from ..errors import UserError

# What a tool needs beside MMDetection, where it ends without the package's name or half done.
NEEDED = {
    "analyze_logs": "seaborn",
    "benchmark": "psutil",
    "mot_error_visualize": "seaborn",
    "test_robustness": "imagecorruptions",
}


def run_tool(name: str, words: Sequence[str]) -> None:
    """Run a tool with the words of its command line, in this process.

    Args:
        name: of its file without `.py`; where two tools share one, with folder and colon before it,
            as for `mim run mmdet`.
        words: what comes after the name.

    Raises:
        UserError: there is no such tool, or a package that it needs is missing.
    """
    script = find_tool(name)
    needed = NEEDED.get(script.stem)
    if needed and find_spec(needed) is None:
        raise UserError(f"{_lacks(name, needed)}: run `pip install {needed}`.")
    MENDED.get(script.stem, lambda: None)()
    sys.argv = [str(script), *words]
    # As Python does; last the folder in which test_robustness looks for `tools`.
    sys.path[:] = [str(script.parent), *sys.path[1:], str(tools_folder().parent)]
    try:
        runpy.run_path(str(script), run_name="__main__")
    except ModuleNotFoundError as error:
        raise UserError(f"{_lacks(name, error.name)}: install the package it is of.") from error


def _lacks(name: str, module: str | None) -> str:
    return f"MMDetection's tool {name} needs {module}, which is not installed"


def tools_folder() -> Path:
    """Where MMDetection's tools lie: in its wheel, or beside the package in a checkout.

    Raises:
        UserError: neither is there.
    """
    package = Path(mmdet.__file__).parent
    for folder in (package / ".mim" / "tools", package.parent / "tools"):
        if (folder / "train.py").is_file():
            return folder
    raise UserError(f"mmdet in {package} was installed without its tools: install its wheel.")


def tools() -> list[Path]:
    """The scripts of all tools, those in the fewest folders first, as mim prefers them."""
    return sorted(tools_folder().rglob("*.py"), key=lambda path: (len(path.parts), path))


def find_tool(name: str) -> Path:
    """The script of a tool.

    Raises:
        UserError: MMDetection has no such tool.
    """
    ending = (f"/{name}.py").replace(":", "/")
    for path in tools():
        if path.as_posix().endswith(ending):
            return path
    names = sorted({path.stem for path in tools()})
    near = difflib.get_close_matches(name.rpartition(":")[2], names, n=1)
    hint = f", did you mean {near[0]}?" if near else f"; it has {', '.join(names)}."
    raise UserError(f"MMDetection has no tool {name}{hint}")


def read_safely() -> None:
    """Let publish_model read MMEngine's checkpoints, which PyTorch from 2.6 on refuses it.

    A path alone goes to the reader that knows them; nothing in them is executed.
    """
    torch_load: Any = torch.load

    @functools.wraps(torch_load)
    def load(file: Any, map_location: Any = None, *others: Any, **options: Any) -> Any:
        if others or options or not isinstance(file, str | Path):
            return torch_load(file, map_location, *others, **options)
        return read_checkpoint(Path(file), map_location)

    torch.load = load  # type: ignore[assignment]


def name_results() -> None:
    """Let fuse_results of MMDetection 3.3 read its argument `pred-results` as it tries to."""
    results = property(lambda given: getattr(given, "pred-results"))
    argparse.Namespace.pred_results = results  # type: ignore[attr-defined]
    argparse.Namespace.models_name = results  # type: ignore[attr-defined]  # only counted


MENDED = {"publish_model": read_safely, "fuse_results": name_results}
