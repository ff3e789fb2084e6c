"""When a fast form cannot run: why, said once, before another form takes over."""

from functools import cache

from ..compat.torch_features import OutOfMemoryError
from ..log import warn


class NotAvailable(Exception):  # noqa: N818 (it is no error: another form takes over)
    """A fast form cannot run here; the message says why."""


CANNOT_RUN = (NotAvailable, OutOfMemoryError)


@cache
def warn_once(message: str) -> None:
    """Warn in the log of the run; the same words only once in a process."""
    warn(message)
