"""Hooks, wrappers and the start of training and testing; importing it registers them."""

from . import distributed, foreign_weights, late_logging, metric, optim_wrapper, short_runs

__all__ = [
    "distributed",
    "foreign_weights",
    "late_logging",
    "metric",
    "optim_wrapper",
    "short_runs",
]
