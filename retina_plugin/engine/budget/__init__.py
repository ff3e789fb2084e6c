"""Trainings that are given minutes: what fits is measured, planned and kept to."""

from . import hooks, loop

__all__ = ["hooks", "loop"]
