"""C sources of this folder, compiled once for this processor and kept in the user's cache."""

import atexit
import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from mmengine.logging import print_log
from torch import Tensor

from .fallback import NotAvailable

COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-O3", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
# Where equal IoUs decide, no multiplication is fused with an addition.
OWN_FLAGS = {"match": ("-ffp-contract=off",), "suppress": ("-ffp-contract=off",)}
# The first that the compiler knows; Apple's on Arm knows only the second.
FOR_THIS_PROCESSOR = (("-march=native",), ("-mcpu=native",), ())
COMPILE_TIMEOUT = 120  # seconds


_may_compile = True


class _NotNow(NotAvailable):
    """Compiling is not allowed now."""


def allow_compiling(allowed: bool) -> None:
    """Whether `library` may compile what is not in the cache."""
    global _may_compile  # noqa: PLW0603
    _may_compile = allowed


def library(name: str) -> ctypes.CDLL:
    """The compiled `NAME.c` of this folder, from the cache or compiled now, which it announces.

    Raises:
        NotAvailable: there is no compiler, it failed, or compiling is not allowed now. A compiler
            that has failed is not asked again.
    """
    loaded = _loaded(name)
    if isinstance(loaded, NotAvailable):
        raise loaded
    return loaded


@cache
def _loaded(name: str) -> ctypes.CDLL | NotAvailable:
    """The library, or why there is none."""
    try:
        path = _cached(name)
        if path is None:
            if not _may_compile:
                raise _NotNow(f"{name}.c is not compiled for so short a run")
            path = _compile(name)
        return _opened(path)
    except _NotNow:  # another run may compile: not to be remembered
        raise
    except NotAvailable as reason:
        return reason
    except OSError as error:
        return NotAvailable(
            f"the compiled {name} cannot be loaded ({error}); TMPDIR may name a folder from which "
            "programs run"
        )


def _opened(path: Path) -> ctypes.CDLL:
    """The library, from a folder of this process where no program may run from the cache."""
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        return ctypes.CDLL(str(shutil.copy(path, _folder_of_this_process())))


def pointer(tensor: Tensor | None) -> ctypes.c_void_p:
    """Address of a contiguous tensor's first element, for an argument of a C function."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def is_compiled(name: str) -> bool:
    """Whether `library` would take no time."""
    try:
        return _cached(name) is not None
    except NotAvailable:
        return False


def _cached(name: str) -> Path | None:
    """The library that was compiled before, if all of it is there.

    A part of one, as a full disk or a power cut may leave, would kill the process that loads it.
    """
    for path in _folder().glob(f"{_stem(name)}-*.so"):
        try:
            if path.stem.endswith(f"-{_digest(path.read_bytes())}"):
                return path
        except OSError:
            continue
    return None


def _stem(name: str) -> str:
    """How its file begins: another source, compiler or processor has another name."""
    source = Path(__file__).with_name(f"{name}.c").read_text()
    flags = (*FLAGS, *OWN_FLAGS.get(name, ()))
    identity = (source, _compiler(), flags, platform.machine(), _processor(), platform.libc_ver())
    return f"{name}-{_digest(repr(identity).encode())}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _compiler() -> list[str]:
    """The program with the options that CC gives it, as in `CC="ccache gcc"`."""
    given = os.environ.get("CC", "").strip()
    commands = [[given]] if given else [[name] for name in COMPILERS]
    if given:
        with suppress(ValueError):  # a quote that does not close
            commands.append(shlex.split(given))
    for program, *options in commands:
        path = shutil.which(program)
        if path and sys.platform != "win32":
            return [path, *options]
    named = given or ", ".join(COMPILERS)
    raise NotAvailable(f"no C compiler was found ({named}; set CC to name one)")


@cache
def _processor() -> str:
    """Model and instruction set: a library for one processor may not run on another."""
    lines = Path("/proc/cpuinfo")
    if not lines.exists():
        return platform.processor()
    kinds = ("model name", "flags", "Features", "CPU part")
    return repr(sorted({x for x in lines.read_text().splitlines() if x.startswith(kinds)}))


@cache
def _folder() -> Path:
    """The user's own cache; a folder of this process where that is not to be trusted."""
    return _own_cache() or _folder_of_this_process()


@cache
def _folder_of_this_process() -> Path:
    """A new one, removed at its end."""
    folder, owner = Path(tempfile.mkdtemp(prefix="retina_plugin-")), os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # a process that was forked from it may end before it
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


def _own_cache() -> Path | None:
    """None where it cannot be made, written to, or is not the user's alone."""
    try:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = root / "retina_plugin"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        private = status.st_uid == os.getuid() and not status.st_mode & 0o022
    except (OSError, RuntimeError):  # the second where a user has no home at all
        return None
    return folder if private and os.access(folder, os.W_OK) else None


def _compile(name: str) -> Path:
    """Compile to a file of its own, then rename: processes that start together do not meet."""
    started = time.monotonic()
    source, compiler = Path(__file__).with_name(f"{name}.c"), _compiler()
    target = _folder() / _stem(name)
    scratch = target.with_suffix(f".{os.getpid()}.tmp")
    flags = (*FLAGS, *OWN_FLAGS.get(name, ()))
    for processor in FOR_THIS_PROCESSOR:
        files = (str(source), "-o", str(scratch), "-lm")
        complaint = _attempt([*compiler, *flags, *processor, *files])
        if complaint is None:
            path = target.with_name(f"{target.name}-{_digest(scratch.read_bytes())}.so")
            scratch.replace(path)
            seconds = time.monotonic() - started
            print_log(f"Compiled {source.name} in {seconds:.1f} s into {path}.", logger="current")
            return path
    raise NotAvailable(f"compiling {source.name} with {shlex.join(compiler)} failed: {complaint}")


def _attempt(command: list[str]) -> str | None:
    """What went wrong, in one line."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=COMPILE_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return next(iter(said), f"exit code {done.returncode}")
