"""Functions are called by turns, and memory is what they allocate."""

import torch

from retina_plugin.analysis.timing import Measured, interleaved, peak_bytes


def test_cases_take_turns():
    calls = []
    cases = {name: lambda name=name: calls.append(name) for name in "ab"}
    measured = interleaved(cases, repeats=3, device="cpu", warmup=1)
    assert "".join(calls) == "ab" + "ab" * 4  # memory, then warm-up and three counted turns
    assert set(measured) == {"a", "b"}
    assert all(m.lowest <= m.median <= m.highest for m in measured.values())


def test_peak_is_what_lived_at_one_time():
    def run():
        first = torch.empty(1 << 20)
        del first
        return torch.empty(1 << 19)

    assert peak_bytes(run, "cpu") == 4 << 20


def test_nothing_allocated_is_zero():
    assert peak_bytes(lambda: None, "cpu") == 0
    assert Measured(1.0, 1.0, 1.0, 0).peak_bytes == 0
