"""How many images of a test are drawn."""

import pytest

from retina_plugin.engine.drawing import DrawingHook


@pytest.mark.parametrize(
    ("most", "drawn"), [(0, []), (3, [0, 1, 2]), (4, [0, 1, 2, 3]), (9, [*range(6)])]
)
def test_the_first_images_are_drawn(most, drawn, monkeypatch):
    seen = []

    class Parent:
        def after_test_iter(self, runner, batch_idx, data_batch, outputs):
            seen.extend(outputs)
            self._test_index += len(outputs)

    monkeypatch.setattr(DrawingHook.__mro__[1], "after_test_iter", Parent.after_test_iter)
    monkeypatch.setattr(
        DrawingHook.__mro__[1], "__init__", lambda self: setattr(self, "_test_index", 0)
    )
    hook = DrawingHook(most=most)
    for batch in range(3):
        hook.after_test_iter(None, batch, {}, [2 * batch, 2 * batch + 1])
    assert seen == drawn
