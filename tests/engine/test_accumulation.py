import subprocess

import pytest
import torch
from torch import nn

from retina_plugin.engine.accumulation import take_up, waiting_gradients
from retina_plugin.errors import UserError


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))


def test_none_wait_right_after_a_step(model):
    assert waiting_gradients(model) == {}


def test_what_waits_is_taken_up_by_name(model):
    model[0](torch.ones(1, 3)).sum().backward()
    waiting = {name: each.clone() for name, each in waiting_gradients(model).items()}
    assert list(waiting) == ["0.weight", "0.bias"]
    model.zero_grad()
    take_up(model, waiting)
    torch.testing.assert_close(waiting_gradients(model), waiting, rtol=0, atol=0)
    model(torch.ones(1, 3)).sum().backward()  # joins it
    assert model[0].weight.grad.shape == (2, 3)


@pytest.mark.parametrize(
    ("gradients", "words"),
    [
        ([1], "not of this model's weights"),
        ({"2.weight": torch.zeros(1)}, "not of this model's weights"),
        ({"0.weight": torch.zeros(3, 2)}, r"0.weight in its accumulated_gradients is not \(2, 3\)"),
        ({"0.weight": 1.0}, "0.weight in its"),
    ],
)
def test_others_are_refused(model, gradients, words):
    with pytest.raises(UserError, match=words):
        take_up(model, gradients)


SCRIPT = """
import torch
from torch import distributed, nn
from retina_plugin.engine.accumulation import waiting_gradients
from retina_plugin.engine.distributed import leave_processes

distributed.init_process_group("gloo")
model = nn.ModuleList([nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)])
if distributed.get_rank() == 0:  # the other process has none of the second
    model[1].weight.grad = torch.full((1, 1), 6.0)
model[0].weight.grad = torch.full((1, 1), 2.0 + 2 * distributed.get_rank())
found = {name: each.item() for name, each in waiting_gradients(model).items()}
assert found == {"0.weight": 3.0, "1.weight": 3.0}, found
leave_processes()
"""


@pytest.mark.slow
def test_processes_go_on_from_their_mean(torchrun, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    subprocess.run([*torchrun, script], check=True, timeout=120)
