"""Trainings whose launcher, rank, worker or shell dies."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from ..errors import UserError
from .row import Outcome, Row, tally
from .tiny_training import scratch_folder, tiny_config, write_data

DEADLINE = 30.0  # seconds from a death to the end of the job
LONG = 1000  # epochs
START = 180.0  # seconds until a training has saved its first checkpoint
MARK = "RETINA_PLUGIN_FAULT"  # an environment variable by which a job's processes are found
POINTER = "last_checkpoint"
PYTHON = [sys.executable, "-W", "ignore"]
TORCHRUN = [*PYTHON, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def train_tool() -> Path:
    """tools/train.py, of a checkout or of an installed wheel."""
    package = Path(__file__).parents[1]
    for folder in (package.parent / "tools", package / ".mim" / "tools"):
        if (folder / "train.py").is_file():
            return folder / "train.py"
    raise UserError("tools/train.py is not beside the package: install retina_plugin again.")


def processes_of(mark: str) -> dict[int, str]:
    """Command lines of the processes, zombies left out, that carry a mark."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes():
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(folder.name)] = words.decode(errors="replace")
        except OSError:
            continue  # ended, or somebody else's
    found.pop(os.getpid(), None)
    return {pid: command for pid, command in found.items() if command}


@contextmanager
def _hearing_hangups() -> Iterator[None]:
    """Where this runs under nohup itself, what it starts would ignore SIGHUP too."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


class Job:
    """A training in processes of its own."""

    def __init__(self, folder: Path, command: list[str], **options: object) -> None:
        data = write_data(folder / "data")
        cfg = tiny_config(data, folder / "run", **{"train_cfg__max_epochs": LONG, **options})
        cfg.dump(folder / "tiny.py")
        self.folder = folder
        self.mark = uuid.uuid4().hex
        environment = {**os.environ, MARK: self.mark, "OMP_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = str(Path(__file__).parents[2])
        with (folder / "log").open("w") as log, _hearing_hangups():
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def wait_until_it_trains(self) -> None:
        """Until the first checkpoint is there."""
        end = time.monotonic() + START
        while not (self.folder / "run" / POINTER).exists():
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(self.last_words())
            time.sleep(0.1)

    def last_words(self) -> str:
        """The end of what it printed."""
        return (self.folder / "log").read_text()[-2000:]

    def ranks(self) -> list[int]:
        """Processes that run the training script, without launchers and workers."""
        found = processes_of(self.mark)
        own = [pid for pid, command in found.items() if " -u " in command]
        return sorted(own)

    def ends(self, seconds: float = DEADLINE) -> str | None:
        """What is left of it after so many seconds, None if nothing is."""
        end = time.monotonic() + seconds
        while processes_of(self.mark):
            self.process.poll()
            if time.monotonic() > end:
                left = list(processes_of(self.mark).values())
                return f"{len(left)} processes are left after {seconds:.0f} s: {left[0][:100]}"
            time.sleep(0.1)
        return None if self.process.wait() else "exit code 0"


@contextmanager
def job(command: list[str], **options: object) -> Iterator[Job]:
    """A job that trains; ended with all of its processes in the end."""
    with scratch_folder() as folder:
        made = Job(folder, command, **options)
        try:
            made.wait_until_it_trains()
            yield made
        finally:
            for pid in processes_of(made.mark):
                os.kill(pid, signal.SIGKILL)
            made.process.wait()


def _distributed() -> list[str]:
    return [*TORCHRUN, str(train_tool()), "tiny.py", "--launcher", "pytorch"]


def _mim() -> list[str]:
    return [*PYTHON, "-m", "mim", "train", "retina_plugin", "tiny.py"]


def last_rank(job: Job) -> int:
    """The process that is not the first."""
    return job.ranks()[-1]


def starter(job: Job) -> int:
    """The process that the job was started by."""
    return job.process.pid


def ended(
    command: Callable[[], list[str]], victim: Callable[[Job], int], number: int
) -> str | None:
    """What is left of a job after a signal to one of its processes, None if nothing is."""
    with job(command()) as made:
        os.kill(victim(made), number)
        return made.ends()


def rank_dies_under_max_restarts() -> str | None:
    """SIGKILL to one of two processes, after which torchrun starts both again."""
    command = [*TORCHRUN, "--max-restarts=1", str(train_tool()), "tiny.py"]
    with job(
        [*command, "--launcher", "pytorch", "--resume", "auto"], train_cfg__max_epochs=9
    ) as made:
        os.kill(made.ranks()[-1], signal.SIGKILL)
        code = made.process.wait(START)
        is_whole = (made.folder / "run" / POINTER).read_text() == "epoch_9.pth"
        return None if code == 0 and is_whole else f"exit code {code}"


def shell_dies() -> str | None:
    """SIGHUP to the shell of a run under nohup, which goes on."""
    train = " ".join([*PYTHON, str(train_tool()), "tiny.py"])
    with job(["bash", "-c", f"nohup {train} & wait"]) as made:
        os.killpg(made.process.pid, signal.SIGHUP)
        made.process.wait()
        time.sleep(3)
        if processes_of(made.mark):
            return None
        return f"the run ended with its shell: {made.last_words()}"


DEATHS: dict[str, Callable[[], str | None]] = {
    "a rank dies": partial(ended, _distributed, last_rank, signal.SIGKILL),
    "torchrun is told to end": partial(ended, _distributed, starter, signal.SIGTERM),
    "torchrun dies": partial(ended, _distributed, starter, signal.SIGKILL),
    "mim is told to end": partial(ended, _mim, starter, signal.SIGTERM),
    "mim dies": partial(ended, _mim, starter, signal.SIGKILL),
    "a rank dies under --max-restarts": rank_dies_under_max_restarts,
    "the shell dies": shell_dies,
}


def _trials(trials: int) -> Outcome:
    if not sys.platform.startswith("linux") or find_spec("mim") is None:
        raise UserError("row D2 needs Linux and mim: pip install '.[mim]'.")
    results, longest = [], 0.0
    for number in range(trials):
        name, death = list(DEATHS.items())[number % len(DEATHS)]
        begun = time.monotonic()
        result = death()
        longest = max(longest, time.monotonic() - begun)
        results.append(result and f"{name}: {result}")
    return tally(results, f"at most {longest:.0f} s with the start")


ROWS = (
    Row(
        "D2",
        "whoever dies: the job ends within 30 s without orphans, or goes on as it was told to",
        _trials,
        trials=14,
    ),
)
