"""A module that is told to begin with weights of a file begins with them, or not at all."""

import pytest
import torch
from mmengine.model import initialize
from torch import nn

from retina_plugin.errors import UserError


def module(width=2, first=1, layers=2):
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(first, width, 1)),
        nn.Sequential(*(nn.Conv2d(width, width, 1) for _ in range(layers))),
    )


@pytest.fixture
def begin(tmp_path):
    def run(weights, target, **options):
        path = tmp_path / "w.pth"
        torch.save(weights, path)
        initialize(target, {"type": "Pretrained", "checkpoint": str(path), **options})

    return run


@pytest.mark.parametrize("prefix", [None, "backbone", "backbone."])
def test_weights_that_fit_are_loaded(begin, prefix):
    weights, target = module().state_dict(), module()
    named = {f"backbone.{k}" if prefix else k: v for k, v in weights.items()}
    begin({"state_dict": {**named, "fc.weight": torch.ones(9)}}, target, prefix=prefix)
    for key, value in target.state_dict().items():
        assert torch.equal(value, weights[key])


def test_another_first_layer_stays_as_it_was(begin):
    weights, target = module(first=3).state_dict(), module()
    begin(weights, target)
    assert torch.equal(target.state_dict()["1.0.weight"], weights["1.0.weight"])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (module(width=3).state_dict(), r"w\.pth holds the weights of another module: 0\.0\.weight"),
        ({"conv.weight": torch.ones(1)}, r"fits in 0% .* has no 0\.0\.weight"),
        ({}, "holds no weights"),
        ({**module().state_dict(), "1.0.bias": torch.full((2,), torch.nan)}, "1.0.bias is not fin"),
    ],
)
def test_weights_of_something_else_are_an_error(begin, weights, message):
    with pytest.raises(UserError, match=f"init_cfg of Sequential: .*{message}"):
        begin(weights, module())


def test_a_prefix_that_is_not_there_is_named(begin):
    with pytest.raises(UserError, match="no weight whose name begins with neck."):
        begin(module().state_dict(), module(), prefix="neck")
