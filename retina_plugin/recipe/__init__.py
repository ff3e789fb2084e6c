"""Configs made whole: what depends on another key is filled in, what is wrong is said."""

from .check import check
from .inheritance import allow_inheritance
from .report import Change, print_changes
from .resolve import resolve

__all__ = ["Change", "allow_inheritance", "check", "print_changes", "resolve"]
