"""A limit of time for a trial in the main thread."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class TookTooLongError(Exception):
    """A trial did not come to an end."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise where what is inside takes longer; a call of a library is left to end before that.

    Raises:
        TookTooLongError: it took longer.
    """

    def stop(signum: int, frame: FrameType | None) -> None:
        raise TookTooLongError(f"it took longer than {seconds:g} s (signal {signum} in {frame})")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
