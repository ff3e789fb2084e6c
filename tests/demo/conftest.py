import pytest

from retina_plugin.demo import budget, progress, run


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test turns."""

    class Clock:
        now = 1000.0

        def __call__(self):
            return self.now

    clock = Clock()
    for module in (budget, progress, run):
        monkeypatch.setattr(module, "clock", clock)
    return clock
