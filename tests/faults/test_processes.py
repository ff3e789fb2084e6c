import pytest
import torch

from retina_plugin.faults.processes import IMAGES, ROWS, random_batch

pytestmark = pytest.mark.slow


def test_two_processes_have_the_gradient_of_one():
    outcome = ROWS[0].ours(6)
    assert outcome.passed, outcome.failures


def test_stock_does_not():
    assert ROWS[0].stock(1).good == 0


def test_batches_differ_and_some_leave_a_process_without_objects():
    counts = [[len(each.gt_instances) for each in random_batch(seed)[1]] for seed in range(6)]
    assert counts[3][IMAGES // 2 :] == [0, 0]
    assert sum(counts[1]) > 0
    assert not torch.equal(random_batch(1)[0], random_batch(2)[0])
