"""Hooks, wrappers and the start of training and testing; importing it registers them."""

from . import distributed, foreign_weights, precision

__all__ = ["distributed", "foreign_weights", "precision"]
