"""Work is shared out over threads."""

import pytest
import torch

from retina_plugin.kernels.threads import shared_out


@pytest.mark.parametrize("count", [0, 1, 5, 16])
@pytest.mark.parametrize("unit", [1, 4])
def test_work_is_shared_out_whole(count, unit, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    parts = shared_out(lambda first, size: range(first, first + size), count, unit)
    assert [i for part in parts for i in part] == list(range(count))
    assert all(part.start % unit == 0 for part in parts)
