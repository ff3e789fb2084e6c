import pytest
import torch
from torch import nn

from retina_plugin.engine.running_statistics import RunningStatistics


@pytest.fixture
def model():
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.BatchNorm2d(4, affine=False))


def buffers(model):
    return {name: value.clone() for name, value in model.named_buffers()}


@pytest.mark.parametrize("where", [True, torch.tensor(True), torch.tensor(1) > 0])
def test_they_are_put_back_bit_for_bit(model, where):
    statistics, before = RunningStatistics(model), buffers(model)
    statistics.keep()
    model(torch.randn(2, 3, 5, 5))
    assert not torch.equal(buffers(model)["1.running_mean"], before["1.running_mean"])
    statistics.put_back(where)
    torch.testing.assert_close(buffers(model), before, rtol=0, atol=0)


def test_they_stay_where_they_are_good(model):
    statistics = RunningStatistics(model)
    statistics.keep()
    model(torch.randn(2, 3, 5, 5))
    after = buffers(model)
    statistics.put_back(torch.tensor(False))
    torch.testing.assert_close(buffers(model), after, rtol=0, atol=0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_one_number_that_is_not_finite_is_seen_and_undone(model, bad):
    statistics, before = RunningStatistics(model), buffers(model)
    statistics.keep()
    assert statistics.is_finite()
    model[2].running_var[3] = bad
    assert not statistics.is_finite()
    statistics.put_back()
    torch.testing.assert_close(buffers(model), before, rtol=0, atol=0)


def test_a_single_layer_is_kept_too():
    model = nn.BatchNorm1d(3)
    statistics, before = RunningStatistics(model), buffers(model)
    statistics.keep()
    model(torch.randn(4, 3))
    statistics.put_back()
    torch.testing.assert_close(buffers(model), before, rtol=0, atol=0)


def test_layers_that_do_not_train_are_left_alone(model):
    model.eval()
    statistics = RunningStatistics(model)
    statistics.keep()
    model[1].running_mean.fill_(7)
    assert statistics.is_finite()
    statistics.put_back()
    assert model[1].running_mean.tolist() == [7] * 4
