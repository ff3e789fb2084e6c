"""C code is compiled once, kept safely, and fails in words."""

import ctypes
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from retina_plugin.kernels import native
from retina_plugin.kernels.fallback import NotAvailable
from retina_plugin.kernels.native import is_compiled, library


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """An empty cache folder, and nothing remembered."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for function in (native._loaded, native._folder, native._folder_of_this_process):
        function.cache_clear()
    yield tmp_path / "retina_plugin"
    for function in (native._loaded, native._folder, native._folder_of_this_process):
        function.cache_clear()


def test_compiles_once_and_says_so(own_cache, logged):
    assert not is_compiled("focal")
    assert isinstance(library("focal"), ctypes.CDLL)
    assert is_compiled("focal")
    native._loaded.cache_clear()
    library("focal")
    assert logged.text.count("Compiled focal.c in") == 1
    assert [path.suffix for path in own_cache.iterdir()] == [".so"]


def test_cache_belongs_to_the_user_alone(own_cache):
    library("focal")
    assert stat.S_IMODE(own_cache.stat().st_mode) == 0o700


def test_folder_that_others_can_write_is_not_trusted(own_cache):
    own_cache.mkdir()
    own_cache.chmod(0o777)
    library("focal")
    assert list(own_cache.iterdir()) == []


@pytest.mark.parametrize("kind", ["read-only", "no home"])
def test_without_a_cache_of_ones_own_it_is_compiled_for_the_process(kind, monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    if kind == "no home":
        monkeypatch.delenv("XDG_CACHE_HOME")

        def homeless():
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr(native.Path, "home", homeless)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(native.tempfile, "tempdir", str(scratch))
    assert isinstance(library("focal"), ctypes.CDLL)
    assert len(list(scratch.rglob("*.so"))) == 1


def test_another_processor_has_another_library(own_cache, monkeypatch):
    library("focal")
    monkeypatch.setattr(native, "_processor", lambda: "another")
    assert not is_compiled("focal")


def test_flag_that_a_compiler_does_not_know_is_left_out(own_cache, monkeypatch):
    monkeypatch.setattr(native, "FOR_THIS_PROCESSOR", (("-mcpu=no-such",), ()))
    assert isinstance(library("focal"), ctypes.CDLL)


def test_compiler_that_fails_is_quoted(own_cache, monkeypatch, tmp_path):
    broken = tmp_path / "cc"
    script = f"#!/bin/sh\necho x >> {tmp_path}/calls\necho 'disk quota exceeded' >&2; exit 1\n"
    broken.write_text(script)
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    for _ in range(2):
        with pytest.raises(NotAvailable, match=r"compiling focal.c with .* failed: disk quota"):
            library("focal")
    # Each set of flags once, not again in every iteration of a training.
    calls = (tmp_path / "calls").read_text().count("x")
    assert calls == len(native.FOR_THIS_PROCESSOR)
    assert list(own_cache.glob("*")) == []


def test_a_compiler_may_say_what_is_no_text(own_cache, monkeypatch, tmp_path):
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\nprintf '\\377 quota' >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    with pytest.raises(NotAvailable, match=r"compiling focal.c with .* failed: \ufffd quota"):
        library("focal")


@pytest.mark.parametrize("allowed", [True, False])
def test_missing_compiler_is_named_whether_or_not_compiling_is_allowed(allowed, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    native.allow_compiling(allowed)
    with pytest.raises(NotAvailable, match="no C compiler was found"):
        library("focal")


def test_what_may_not_be_compiled_now_may_be_later():
    native.allow_compiling(False)
    with pytest.raises(NotAvailable, match="not compiled for so short a run"):
        library("focal")
    native.allow_compiling(True)
    assert isinstance(library("focal"), ctypes.CDLL)


def test_library_that_does_not_load_is_no_crash(own_cache, monkeypatch):
    def refuse(path):
        raise OSError("failed to map segment from shared object")

    monkeypatch.setattr(native.ctypes, "CDLL", refuse)
    with pytest.raises(NotAvailable, match=r"the compiled focal cannot be loaded \(failed to map"):
        library("focal")


def test_where_no_program_runs_from_the_cache_it_runs_from_a_folder_of_the_process(
    own_cache, monkeypatch
):
    load = native.ctypes.CDLL

    def elsewhere(path):
        if path.startswith(str(own_cache)):
            raise OSError("failed to map segment from shared object")
        return load(path)

    monkeypatch.setattr(native.ctypes, "CDLL", elsewhere)
    assert library("focal")._name.startswith(str(native._folder_of_this_process()))


@pytest.mark.parametrize("rest", [0, 1, 4096, -1, "another"])
def test_a_part_of_a_library_is_not_loaded_but_compiled_again(rest, own_cache):
    """To load it ends the process where the system finds pages missing."""
    library("focal")
    (path,) = own_cache.glob("*.so")
    whole = path.read_bytes()
    path.unlink()  # it is loaded
    path.write_bytes(b"another" if rest == "another" else whole[:rest])
    native._loaded.cache_clear()
    assert not is_compiled("focal")
    assert library("focal").focal_loss
    assert path.read_bytes() == whole


@pytest.mark.parametrize("words", ["env {}", "'{}' -O1", "{}"])
def test_cc_may_have_options(words, own_cache, monkeypatch):
    (program,) = native._compiler()
    monkeypatch.setenv("CC", words.format(program))
    assert isinstance(library("focal"), ctypes.CDLL)


def test_a_folder_of_the_process_goes_with_it(tmp_path):
    (tmp_path / "temporary").mkdir()
    code = "from retina_plugin.kernels.native import library; library('focal')"
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": "/proc",
        "TMPDIR": str(tmp_path / "temporary"),
        "PYTHONPATH": str(Path(native.__file__).parents[2]),
    }
    program = [sys.executable, "-W", "ignore", "-c", code]
    assert subprocess.run(program, env=environment, check=False).returncode == 0
    assert list((tmp_path / "temporary").iterdir()) == []
