"""The versions that the tests ran on: a file per stack, and the table of `docs/compatibility.md`.

`python -m retina_plugin.analysis.compatibility REPORT FILE PAGE`, in the environment of a stack,
writes the file from pytest's JUnit report, and puts all files beside it into the page's table;
`make matrix` calls it.
"""

import json
import platform
import sys
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from xml.etree import ElementTree

from .kept_files import content_of, instance

# Distributions of one import name; the one that is installed is shown.
DISTRIBUTIONS = {
    "torch": ("torch",),
    "numpy": ("numpy",),
    "mmcv": ("mmcv-lite", "mmcv", "onedl-mmcv"),
    "mmengine": ("mmengine", "onedl-mmengine"),
    "mmdet": ("mmdet", "onedl-mmdetection"),
}
COLUMNS = (
    "torch",
    "numpy",
    "Python",
    "mmcv",
    "mmengine",
    "mmdet",
    "passed",
    "failed",
    "skipped",
    "date",
)

BEGINNING, END = "<!-- table -->", "<!-- end of table -->"


@dataclass(frozen=True)
class Tried:
    """One run of the tests."""

    date: str
    python: str
    torch: str
    numpy: str
    mmcv: str
    mmengine: str
    mmdet: str
    passed: int
    failed: int
    skipped: int


def tried(report: Path) -> Tried:
    """What pytest reports, with the versions of the environment that this runs in.

    Args:
        report: pytest's JUnit report of a run in this environment.
    """
    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    total, failures, errors, skipped = (
        sum(int(suite.get(key, 0)) for suite in suites)
        for key in ("tests", "failures", "errors", "skipped")
    )
    failed = failures + errors
    versions = {name: _installed(names) for name, names in DISTRIBUTIONS.items()}
    return Tried(
        date=date.today().isoformat(),
        python=platform.python_version(),
        **versions,
        passed=total - failed - skipped,
        failed=failed,
        skipped=skipped,
    )


def _installed(distributions: tuple[str, ...]) -> str:
    """`2.1.0`, after the distribution's name where several carry the import name."""
    for name in distributions:
        try:
            found = version(name)
        except PackageNotFoundError:
            continue
        return found if len(distributions) == 1 else f"{name} {found}"
    return "none"


def table(folder: Path) -> str:
    """Markdown of the stacks in a folder, the oldest PyTorch first."""
    what = "run of the tests"
    runs = [instance(Tried, content_of(path, what), path, what) for path in folder.glob("*.json")]
    runs.sort(key=lambda run: (_numbers(run.torch), _numbers(run.numpy), _numbers(run.python)))
    rows = [tuple(str(getattr(run, column.lower())) for column in COLUMNS) for run in runs]
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split("+")[0].split(".") if part.isdigit()]


def main(report: str, target: str, page: str) -> None:
    """Write the file of a stack and the table with it."""
    content = json.dumps(asdict(tried(Path(report))), indent=1)
    Path(target).write_text(content + "\n", encoding="utf-8")
    before, _, after = Path(page).read_text(encoding="utf-8").partition(BEGINNING)
    after = after.partition(END)[2]
    shown = f"{before}{BEGINNING}\n{table(Path(target).parent)}{END}{after}"
    Path(page).write_text(shown, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
