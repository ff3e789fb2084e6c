"""Batch norm, residual sum and ReLU of a backbone, folded into its convolutions."""

import operator
from typing import Any, TypeGuard, cast

import torch
from mmengine.model.efficient_conv_bn_eval import (
    efficient_conv_bn_eval_control,
    turn_on_efficient_conv_bn_eval_for_single_model,
)
from torch import Tensor, fx, nn
from torch.fx.node import Argument
from torch.nn.modules.batchnorm import _BatchNorm

from .kernels.convolution import Geometry, convolve

SUMS: tuple[object, ...] = (operator.iadd, operator.add, torch.add)


def fold(backbone: nn.Module) -> None:
    """Give the backbone a forward pass of fewer passes over memory, with the same parameters.

    MMEngine's `efficient_conv_bn_eval` finds the convolutions whose batch norm can be multiplied
    into their weights (arXiv 2305.11624; gradients stay exact) by tracing; here the sum and the
    ReLU that follow join them. Batch norm that trains is computed as ever.

    Args:
        backbone: its `forward` is replaced.

    Raises:
        Exception: of any kind, where the backbone's own code cannot be traced.
    """
    turn_on_efficient_conv_bn_eval_for_single_model(backbone)
    forward: Any = backbone.forward  # by now a method of the traced module
    _join(forward.__self__)
    backbone.forward = forward.__self__.forward


def follow(backbone: nn.Module) -> None:
    """Compute with the modules that the backbone has now, if it is folded.

    The folded pass keeps modules of its own. One that stands in another's place since, as
    `sync_bn` of MMEngine's runner puts it there, would be trained and switched to evaluation
    without being asked.
    """
    traced = getattr(backbone.forward, "__self__", None)
    if not isinstance(traced, fx.GraphModule):
        return
    for name, module in list(traced.named_modules()):
        if name and not any(module.children()):
            path, _, last = name.rpartition(".")
            setattr(traced.get_submodule(path), last, backbone.get_submodule(name))


def folded_convolution(
    norm: _BatchNorm, conv: nn.Conv2d, x: Tensor, residual: Tensor | None = None, relu: bool = False
) -> Tensor:
    """ReLU(norm(conv(x)) + residual); the sum and the ReLU are optional."""
    geometry = Geometry.of(conv)
    if geometry is None:
        out = efficient_conv_bn_eval_control(norm, conv, x)
    elif norm.training:
        out = norm(convolve(x, conv.weight, conv.bias, geometry))
    else:
        return convolve(x, *folded_weights(norm, conv), geometry, residual, relu)
    out = out if residual is None else out + residual
    return out.relu() if relu else out


def folded_weights(norm: _BatchNorm, conv: nn.Conv2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of the convolution that equals `conv` and then `norm` with its statistics."""
    mean, variance = cast(tuple[Tensor, Tensor], (norm.running_mean, norm.running_var))
    scale = torch.rsqrt(variance + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = -mean if conv.bias is None else conv.bias - mean
    bias = shift * scale if norm.bias is None else norm.bias + shift * scale
    return conv.weight * scale[:, None, None, None], bias


def _join(traced: fx.GraphModule) -> None:
    """Replace convolution, (sum,) ReLU by one call where nothing else reads what is between."""
    modules = dict(traced.named_modules())
    for node in list(traced.graph.nodes):
        if node.op == "call_module" and isinstance(modules[node.target], nn.ReLU):
            _join_relu(traced.graph, node)
        elif _is_convolution(node):
            node.target = folded_convolution
    traced.graph.lint()
    traced.recompile()


def _join_relu(graph: fx.Graph, relu: fx.Node) -> None:
    (before,) = relu.all_input_nodes
    source: Argument = before
    residual: Argument = None
    if before.op == "call_function" and before.target in SUMS and len(before.users) == 1:
        source, residual = before.args
    if not _is_convolution(source) or len(source.users) > 1:
        return
    with graph.inserting_before(relu):
        joined = graph.call_function(folded_convolution, (*source.args, residual, True))
    relu.replace_all_uses_with(joined)
    for node in dict.fromkeys((relu, before, source)):  # without a sum, before is the source
        graph.erase_node(node)


def _is_convolution(node: object) -> TypeGuard[fx.Node]:
    """Of MMEngine's pass, or already of ours."""
    targets = (efficient_conv_bn_eval_control, folded_convolution)
    return isinstance(node, fx.Node) and node.op == "call_function" and node.target in targets
