"""Where errors become one sentence and an exit code."""

import io
import re
import signal
import sys
import traceback
from collections.abc import Callable

from ..compat.torch_features import OutOfMemoryError
from ..errors import Stopped, UserError

# "class `X` in path/x.py: " is what MMEngine's registry puts before a constructor's message.
_REGISTRY_PREFIX = re.compile(r"^(class `\w+` in \S+: )+")
# A data loader's worker sends its error as the text of a traceback.
_WORKER_TEXT = re.compile(rf"{UserError.__module__}\.{UserError.__name__}: (.*)")

# PyTorch's words for a worker that ended without an error of its own.
_WORKER_ENDED = re.compile(r"DataLoader worker.*?(killed by signal: [\w ]+\w|exited unexpectedly)")
# Its words, of several versions, where the machine's memory is full.
_CPU_IS_FULL = re.compile(r"DefaultCPUAllocator: (can't allocate|not enough) memory")

CTRL_C = 128 + signal.SIGINT


def _user_sentence(error: BaseException) -> str:
    from_worker = _WORKER_TEXT.findall(str(error))
    return from_worker[-1] if from_worker else _REGISTRY_PREFIX.sub("", str(error))


def _file_sentence(error: OSError) -> str:
    return f"{error.strerror}: {error.filename}" if error.filename else str(error)


def _first_line(error: BaseException) -> str:
    text = str(error.args[0]) if error.args else ""
    return _REGISTRY_PREFIX.sub("", text).strip().partition("\n")[0]


def in_one_sentence(error: BaseException) -> str | None:
    """What to tell the user, None for an error that only a developer can read."""
    if isinstance(error, UserError):
        return _user_sentence(error)
    if isinstance(error, OSError):
        return _file_sentence(error)
    if isinstance(error, KeyError) and "registry" in _first_line(error):
        return _first_line(error)
    if isinstance(error, OutOfMemoryError):
        return f"{_first_line(error)} Try a smaller train_dataloader.batch_size."
    if isinstance(error, MemoryError) or _CPU_IS_FULL.search(str(error)):
        return (
            "the machine has too little memory left; try a smaller train_dataloader.batch_size or "
            "image_scale, or fewer num_workers."
        )
    ended = _WORKER_ENDED.search(str(error)) if isinstance(error, RuntimeError) else None
    if ended:
        return (
            f"a worker of a data loader {ended[1]}: memory, or shared memory (/dev/shm), may be "
            "too small; set num_workers=0 in train_dataloader and val_dataloader, or give more of "
            "it (docker run --shm-size=8g)."
        )
    return None


def exit_code(run: Callable[[], None]) -> int:
    """Runs `run` and gives 0, or says its error on stderr and gives 1.

    A user's mistake is said without a traceback; another error keeps its traceback, with a
    sentence after it. What a signal stopped gives 128 and the signal's number. A terminal without
    γ or ± gets a question mark in their place.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        run()
    except (Stopped, KeyboardInterrupt) as stop:
        print(str(stop) or "stopped by Ctrl-C.", file=sys.stderr, flush=True)
        return getattr(stop, "exit_code", CTRL_C)
    except Exception as error:
        sentence = in_one_sentence(error)
        if sentence is None:
            traceback.print_exc()
            sentence = (
                f"unexpected {type(error).__name__}: {_first_line(error)} "
                "(if config and data are right, report it with the traceback above)"
            )
        print(f"error: {sentence}", file=sys.stderr, flush=True)
        return 1
    return 0
