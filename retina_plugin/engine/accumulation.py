"""Gradients that still accumulate, on their way through a checkpoint."""

from typing import Any

import torch
from mmengine.dist import all_reduce_params, get_world_size
from torch import Tensor, nn

from ..errors import UserError

GRADIENTS = "accumulated_gradients"  # key of a checkpoint, which others do not read


def waiting_gradients(model: nn.Module) -> dict[str, Tensor]:
    """Gradients that no step has used yet, by weight; none right after a step.

    Of several processes, their mean: each goes on from it, so that the next step is the same.
    Every process must ask.
    """
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    found = {name: weight.grad for name, weight in weights.items() if weight.grad is not None}
    if get_world_size() == 1 or not found:
        return found
    everywhere = {
        name: torch.zeros_like(weight) if weight.grad is None else weight.grad.clone()
        for name, weight in weights.items()
    }
    all_reduce_params(list(everywhere.values()), op="mean")
    return everywhere


def take_up(model: nn.Module, gradients: Any) -> None:
    """Give a checkpoint's gradients to the model that goes on with them.

    Args:
        model: on its device.
        gradients: of `waiting_gradients`.

    Raises:
        UserError: they are not those of this model.
    """
    weights = dict(model.named_parameters())
    if not isinstance(gradients, dict) or not gradients.keys() <= weights.keys():
        raise UserError(f"is spoilt: its {GRADIENTS} are not of this model's weights.")
    for name, gradient in gradients.items():
        weight = weights[name]
        if not isinstance(gradient, Tensor) or gradient.shape != weight.shape:
            raise UserError(f"is spoilt: {name} in its {GRADIENTS} is not {tuple(weight.shape)}.")
        weight.grad = torch.empty_like(weight).copy_(gradient)
