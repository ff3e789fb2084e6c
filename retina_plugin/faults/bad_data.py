"""Mutated annotation files and images: a named error, a counted drop, or nothing to find."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from .bad_annotations import DROP, FINE, Mutation, mutations
from .bad_images import FILE, WORDS, ImageMutation, image_mutations
from .coco_case import (
    ANN_FILE,
    Seen,
    Side,
    boxes_in,
    fault_of_samples,
    has_wrong_label,
    ours,
    quiet_decoders,
    see,
    stock,
    valid_content,
    write_images,
)
from .row import Outcome, Row, tally

BOXES = len(valid_content()["annotations"])


def judge(side: Side, seen: Seen, verdict: str, words: tuple[str, ...]) -> str | None:
    """What is wrong with what came of a mutation; None where nothing is.

    Args:
        side: whose it is. Ours is held to the verdict; stock may accept what does no harm.
        seen: what came.
        verdict: what should come; a named error is good for what may be dropped as well.
        words: that an error must hold.
    """
    if seen.error is not None:
        if verdict != FINE and side.names(seen.error, words):
            return None
        return f"{type(seen.error).__name__}: {seen.error}"
    lost = BOXES - boxes_in(seen.samples) - seen.counted
    if lost:
        return f"{lost} boxes lost, {seen.counted} counted"
    if side.is_ours and verdict != (DROP if seen.counted else FINE):
        return f"accepted, {seen.counted} boxes counted"
    if has_wrong_label(seen.samples):
        return "a box has another box's label"
    return fault_of_samples(seen.samples, side.loss)


def cases() -> list[Mutation | ImageMutation]:
    """All mutations, of annotations and images by turns as far as there are both."""
    first, second = list(mutations()), list(image_mutations())
    step = len(first) // len(second) + 1
    mixed: list[Mutation | ImageMutation] = []
    for index, case in enumerate(first):
        mixed.append(case)
        mixed += second[index // step : index // step + 1] if index % step == 0 else []
    return mixed


def results(side: Side, trials: int) -> Iterator[str | None]:
    """What is wrong with each trial; evenly spaced ones where fewer than all are asked for."""
    listed = cases()
    spaced = [listed[int(i * len(listed) / trials)] for i in range(trials)]
    with tempfile.TemporaryDirectory() as folder, quiet_decoders():
        for case in spaced if trials < len(listed) else listed:
            wrong = _tried(side, case, Path(folder))
            yield wrong and f"{case.name}: {wrong}"


def _tried(side: Side, case: Mutation | ImageMutation, folder: Path) -> str | None:
    write_images(folder)
    ann_file, words = ANN_FILE, WORDS
    if isinstance(case, Mutation):
        ann_file, words = case.ann_file, case.words
    elif case.data is None:
        (folder / FILE).unlink()
    else:
        (folder / FILE).write_bytes(case.data)
    if ann_file != "b.json":
        (folder / ann_file).write_bytes(case.raw)
    seen = see(side.dataset, folder, ann_file)
    return judge(side, seen, case.verdict, words)


def _ours(trials: int) -> Outcome:
    return tally(results(ours(), trials))


def _stock(trials: int) -> Outcome:
    return tally(results(stock(), trials))


ROWS = (
    Row(
        "R4",
        "annotation files and images mutated: a named error or a counted drop",
        _ours,
        trials=380,
        quick=60,
        stock=_stock,
        stock_trials=120,
    ),
)
