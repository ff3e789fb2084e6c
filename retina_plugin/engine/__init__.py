"""Hooks, wrappers and the start of training and testing; importing it registers them."""

from . import (
    budget,
    checkpoint,
    distributed,
    foreign_weights,
    guard,
    late_logging,
    loaded_weights,
    loops,
    metric,
    optim_wrapper,
    pretrained,
    resume,
    runner,
    seeding,
    short_runs,
    stopping,
)

__all__ = [
    "budget",
    "checkpoint",
    "distributed",
    "foreign_weights",
    "guard",
    "late_logging",
    "loaded_weights",
    "loops",
    "metric",
    "optim_wrapper",
    "pretrained",
    "resume",
    "runner",
    "seeding",
    "short_runs",
    "stopping",
]
