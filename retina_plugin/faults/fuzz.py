"""Random annotation files, images and options: no foreign error, no hang, no infinite loss."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .bad_images import FILE, encoded
from .coco_case import (
    ANN_FILE,
    Side,
    fault_of_samples,
    ours,
    quiet_decoders,
    see,
    stock,
    valid_content,
    write_images,
)
from .fuzz_options import options_results
from .hostile_json import mutated, mutated_bytes
from .row import Outcome, Row, tally
from .time_limit import TookTooLongError, time_limit

SECONDS = 10.0  # of a trial
SEED = 0
# Of 13 trials so many are annotation files, images and options.
JSONS, IMAGES, OPTIONS = 10, 2, 1
OPTIONS_OF_DATA: tuple[dict[str, Any], ...] = (
    {},
    {"test_mode": True},
    {"filter_cfg": {"filter_empty_gt": True, "min_size": 32}},
)
HEAD = 700  # bytes; where an image file has its headers


def json_results(side: Side, trials: int) -> Iterator[str | None]:
    """What is wrong with each mutated annotation file."""
    valid = valid_content()
    with tempfile.TemporaryDirectory() as name, quiet_decoders():
        folder = Path(name)
        write_images(folder)
        for number in range(trials):
            random = np.random.default_rng([SEED, number])
            (folder / ANN_FILE).write_bytes(mutated(valid, random))
            wrong = tried(side, folder, **OPTIONS_OF_DATA[number % len(OPTIONS_OF_DATA)])
            yield wrong and f"annotation file {number}: {wrong}"


def image_results(side: Side, trials: int) -> Iterator[str | None]:
    """What is wrong with each mutated image."""
    files = [encoded(kind) for kind in ("JPEG", "PNG")]
    with tempfile.TemporaryDirectory() as name, quiet_decoders():
        folder = Path(name)
        write_images(folder)
        (folder / ANN_FILE).write_text(json.dumps(valid_content()))
        for number in range(trials):
            random = np.random.default_rng([SEED, 1, number])
            head = HEAD if number % 4 < 2 else None
            (folder / FILE).write_bytes(mutated_bytes(files[number % 2], random, head))
            wrong = tried(side, folder)
            yield wrong and f"image {number}: {wrong}"


def tried(side: Side, folder: Path, **options: Any) -> str | None:
    """What is wrong with what comes of a folder; of stock any error is good that names a file."""
    try:
        with time_limit(SECONDS):
            seen = see(side.dataset, folder, **options)
            fault = None if seen.error else fault_of_samples(seen.samples, side.loss)
    except TookTooLongError as error:
        return str(error)
    if seen.error is None or side.names(seen.error, (str(folder),)):
        return fault
    return f"{type(seen.error).__name__}: {seen.error}"


def _ours(trials: int) -> Outcome:
    side = ours()
    images, options = trials * IMAGES // 13, trials * OPTIONS // 13
    jsons = trials - images - options
    results = [*json_results(side, jsons), *image_results(side, images)]
    results += options_results(options, SEED, SECONDS)
    return tally(results, f"{jsons} annotation files, {images} images, {options} options")


def _stock(trials: int) -> Outcome:
    side, images = stock(), trials // 5
    results = [*json_results(side, trials - images), *image_results(side, images)]
    return tally(results, "")


ROWS = (
    Row(
        "R5",
        "annotation files, images and options at random: no foreign error, no hang, finite",
        _ours,
        trials=13000,
        quick=260,
        stock=_stock,
        stock_trials=300,
    ),
)
