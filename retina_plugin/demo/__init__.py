"""The demo: scenes of digits, training and evaluation through mim, a table and pictures."""

from .run import run_demo

__all__ = ["run_demo"]
