"""Hooks, wrappers and the start of training and testing; importing it registers them."""

from . import (
    checkpoint,
    distributed,
    foreign_weights,
    late_logging,
    loops,
    metric,
    optim_wrapper,
    resume,
    seeding,
    short_runs,
)

__all__ = [
    "checkpoint",
    "distributed",
    "foreign_weights",
    "late_logging",
    "loops",
    "metric",
    "optim_wrapper",
    "resume",
    "seeding",
    "short_runs",
]
