"""A training ends with the mim, torchrun or tool that started it: a stopped job leaves no orphan.

A shell is not followed: a run under nohup, tmux or setsid goes on without it.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

# Between mim and a worker stand at most the launcher and its agent.
GENERATIONS = 3
WORDS = 8  # of its command, among which are python's own options in `python -m mim`
AGENT_VARIABLE = "TORCHELASTIC_RUN_ID"  # what torchrun sets for its children
STARTER_VARIABLE = "RETINA_PLUGIN_STARTER"  # the process id of a tool of ours that trains


def _command(pid: int) -> list[str]:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return [Path(word.decode(errors="replace")).name for word in words if word]


def _stat(pid: int) -> list[str]:
    # The fields after the command's name, which is in brackets and may hold blanks:
    # state, parent, ..., and as the twentieth the start time, which tells reused ids apart.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def as_starter() -> dict[str, str]:
    """Environment of a training that is to end with this process, even where this one is killed."""
    return {STARTER_VARIABLE: str(os.getpid())}


def find_starter() -> int | None:
    """The process id of our tool, else of the mim above this process, else of torchrun; or None."""
    tool = os.environ.get(STARTER_VARIABLE, "")
    if tool.isdecimal():
        return int(tool)
    mim = _find_mim()
    if mim is None and AGENT_VARIABLE in os.environ:
        return os.getppid()
    return mim


def _find_mim() -> int | None:
    pid = os.getpid()
    try:
        for _ in range(GENERATIONS):
            pid = int(_stat(pid)[1])
            if "mim" in _command(pid)[:WORDS]:
                return pid
    except (OSError, ValueError, IndexError):
        return None
    return None


def _started(pid: int) -> str | None:
    """When a process was started, None when it has ended, waited for or not."""
    try:
        fields = _stat(pid)
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _end_with(pid: int) -> None:
    started = _started(pid)
    while started is not None and _started(pid) == started:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


def follow_starter() -> None:
    """Ends this process, by SIGTERM, soon after whatever started it; nothing outside Linux."""
    pid = find_starter() if sys.platform == "linux" else None
    if pid is not None:
        threading.Thread(target=_end_with, args=(pid,), daemon=True).start()
