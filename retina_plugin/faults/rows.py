"""All rows of the torture table, in the order in which they run."""

from . import (
    bad_data,
    bad_files,
    bad_losses,
    broken_checkpoints,
    cost,
    deaths,
    degenerate_boxes,
    extreme_logits,
    fuzz,
    hostile_files,
    instants,
    kills,
    many_boxes,
    metric_trials,
    processes,
    published,
)
from .row import Row

GROUPS = (
    kills,
    instants,
    broken_checkpoints,
    bad_data,
    fuzz,
    extreme_logits,
    degenerate_boxes,
    bad_losses,
    many_boxes,
    processes,
    deaths,
    metric_trials,
    bad_files,
    hostile_files,
    published,
    cost,
)
ROWS: tuple[Row, ...] = tuple(row for group in GROUPS for row in group.ROWS)
