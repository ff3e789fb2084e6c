"""Warnings in the log of the run."""

import logging

from mmengine.logging import print_log


def warn(text: str) -> None:
    """Say what is not as the user would expect it, but is no error."""
    print_log(text, logger="current", level=logging.WARNING)
