"""Short runs do not compile, long ones do."""

from types import SimpleNamespace

import pytest

from retina_plugin.engine.short_runs import ShortRunHook
from retina_plugin.kernels import native
from retina_plugin.kernels.focal import BLOCKED, NATIVE, focal_form


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Nothing is compiled yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for function in (native._loaded, native._folder):
        function.cache_clear()
    yield
    for function in (native._loaded, native._folder):
        function.cache_clear()


@pytest.mark.parametrize(("iterations", "form"), [(199, BLOCKED), (200, NATIVE)])
def test_the_number_of_iterations_decides(iterations, form, logged):
    hook, runner = ShortRunHook(), SimpleNamespace(max_iters=iterations)
    hook.before_train(runner)
    assert focal_form("auto", "cpu") is form
    assert ("not compiled for them" in logged.text) is (form is BLOCKED)
    assert ("Compiled focal.c" in logged.text) is (form is NATIVE)
    hook.after_train(runner)
    assert focal_form("auto", "cpu") is NATIVE


def test_what_is_compiled_already_is_used(logged):
    native.library("focal")
    ShortRunHook().before_train(SimpleNamespace(max_iters=3))
    assert focal_form("auto", "cpu") is NATIVE
    assert "not compiled for them" not in logged.text
