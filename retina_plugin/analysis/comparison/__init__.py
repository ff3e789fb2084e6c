"""Models side by side: what was measured, what their project says, what was published."""

from .comparison import compare

__all__ = ["compare"]
