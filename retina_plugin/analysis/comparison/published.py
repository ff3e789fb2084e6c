"""Numbers that others give: in a metafile beside a config, or in a file of published results."""

from pathlib import Path
from typing import Any

from ...errors import UserError
from .. import scalars
from ..kept_files import is_number
from ..metafile import metrics_of, models_in, results_of
from .candidates import Candidate
from .rows import METAFILE, PUBLISHED, Row, valid

METRICS = tuple(scalars.METRICS)
TIMED = "ms ("  # beginning of a metric that tells a time, and on what
OF_PAPER = "(paper)"  # end of the name of a dataset whose numbers a paper prints
TEST_DEV = "COCO test-dev (paper)"
INFERENCE_TIME = "inference time (ms/im)"


def metafile_rows(candidate: Candidate) -> list[Row]:
    """What the metafile beside a model's config says of it; nothing where there is none."""
    metafile = candidate.path.parent / "metafile.yml"
    if not metafile.is_file():
        return []
    return [
        row
        for model in models_in(metafile)
        if Path(str(model.get("Config", ""))).name == candidate.path.name
        for row in _rows(model, METAFILE, metafile)
    ]


def published_rows(file: Path, dataset: str = "") -> list[Row]:
    """The results in a file in the form of a metafile.

    Args:
        file: YAML with `Models`.
        dataset: which of its results; all without it.

    Raises:
        UserError: it is missing, or another kind of file.
    """
    rows = [row for model in models_in(file) for row in _rows(model, PUBLISHED, file)]
    return [row for row in rows if dataset in ("", row.data)]


def papers_rows(configs: Path) -> list[Row]:
    """Tables 1e and 2 and Figure 2 of the paper, RetinaNet and its rivals."""
    files = [configs / "ablations" / f"{name}.yml" for name in ("metafile", "rivals")]
    return [row for file in files for row in published_rows(file, TEST_DEV)]


def _rows(model: dict[str, Any], source: str, file: Path) -> list[Row]:
    milliseconds, timed_on = _speed(model.get("Metadata") or {}, file)
    rows = []
    for result in results_of(model, file):
        given = metrics_of(result)
        if "AP" not in given:
            continue
        if "Name" not in model or "Dataset" not in result:
            raise UserError(f"{file}: a result of {model.get('Name')} lacks Name or Dataset.")
        own_time = next((name for name in given if name.startswith(TIMED)), None)
        rows.append(
            Row(
                model=str(model["Name"]),
                source=PUBLISHED if result["Dataset"].endswith(OF_PAPER) else source,
                data=result["Dataset"],
                metrics={name: _number(given, name, file) for name in METRICS if name in given},
                milliseconds=_number(given, own_time, file) if own_time else milliseconds,
                timed_on=own_time.removeprefix(TIMED).rstrip(")") if own_time else timed_on,
            )
        )
    return rows


def _number(given: dict[str, Any], name: str, file: Path) -> float:
    value = given[name]
    if not is_number(value) or not (value > 0 if name.startswith(TIMED) else valid(value)):
        raise UserError(f"{file}: {name} is {value!r:.60}, where a number is expected.")
    return value


def _speed(metadata: Any, file: Path) -> tuple[float | None, str]:
    """Time of an image, and on what, as MMDetection's metafiles tell it."""
    given = metadata.get(INFERENCE_TIME) if isinstance(metadata, dict) else None
    first = given[0] if isinstance(given, list) and given else given
    if not isinstance(first, dict):
        return None, ""
    value = first.get("value")
    if not is_number(value) or value <= 0:
        raise UserError(f"{file}: {INFERENCE_TIME} is {value!r:.60}, where a number is expected.")
    return float(value), str(first.get("hardware", "unknown"))
