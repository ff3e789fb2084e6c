"""Batch norm, residual sum and ReLU of a backbone, folded into its convolutions."""

import operator
from typing import Any, TypeGuard, cast

import torch
from mmengine.model.efficient_conv_bn_eval import (
    efficient_conv_bn_eval_control,
    efficient_conv_bn_eval_graph_transform,
)
from torch import Tensor, fx, nn
from torch.fx.node import Argument
from torch.nn.modules.batchnorm import _BatchNorm

from .compat.torch_features import is_compiling
from .kernels.convolution import Geometry, convolve
from .kernels.fallback import NotAvailable, warn_once
from .listeners import are_all_heard, is_changed
from .log import warn

SUMS: tuple[object, ...] = (operator.iadd, operator.add, torch.add)


def fold_if_possible(backbone: nn.Module) -> None:
    """As `fold`; a backbone that cannot be folded is left as it is, with a word."""
    try:
        fold(backbone)
    except Exception as error:  # noqa: BLE001 (tracing runs the backbone's own code)
        warn(
            f"Batch norm stays a layer of its own: {type(backbone).__name__} cannot be folded "
            f"({error})."
        )


def fold(backbone: nn.Module) -> None:
    """Give the backbone a forward pass of fewer passes over memory, with the same parameters.

    MMEngine's `efficient_conv_bn_eval` finds the convolutions whose batch norm can be multiplied
    into their weights (arXiv 2305.11624; gradients stay exact) by tracing; here the sum and the
    ReLU that follow join them. Batch norm that trains is computed as ever.

    Args:
        backbone: its `forward` is replaced.

    Raises:
        Exception: of any kind, where the backbone's own code cannot be traced, or a trace would
            not stand for it.
    """
    traced = _traced(backbone)
    efficient_conv_bn_eval_graph_transform(traced)
    _join(traced)
    backbone.forward = FoldedPass(backbone, traced).run


def _traced(backbone: nn.Module) -> fx.GraphModule:
    """The backbone's calls of its parts, where no more than these and the input count.

    Raises:
        NotAvailable: it reads what a trace holds as it was at first.
    """
    if any(is_changed(part) for name, part in backbone.named_modules() if name):
        raise NotAvailable("a part of it has a hook or a forward pass of its own")
    modes = {module: module.training for module in backbone.modules()}
    try:
        evaluated, traced = (_traced_in(mode, backbone) for mode in (False, True))
    finally:
        for module, training in modes.items():
            module.training = training
    if evaluated.code != traced.code:
        raise NotAvailable("its own code asks whether it is training")
    tensors = [str(node.target) for node in traced.graph.nodes if node.op == "get_attr"]
    if tensors:  # the trace has its own hold of them, which .double() and .cuda() pass by
        raise NotAvailable(f"its own code reads the tensor {tensors[0]} itself")
    return traced


def _traced_in(training: bool, backbone: nn.Module) -> fx.GraphModule:
    for module in backbone.modules():
        module.training = training  # not by train(), which leaves frozen stages in evaluation
    return fx.symbolic_trace(backbone)


class FoldedPass:
    """The folded forward pass, where it stands for the backbone's own.

    It calls no part of the backbone. So the backbone's own pass takes over, with a word, where a
    part has a hook, a forward of its own (activation checkpoints), or is of another kind than when
    it was folded.
    """

    def __init__(self, backbone: nn.Module, traced: fx.GraphModule) -> None:
        self.backbone = backbone
        self.traced: fx.GraphModule | None = traced
        self._places: list[tuple[dict, str, nn.Module]] = []  # of the parts, when last looked at

    def __getstate__(self) -> dict[str, Any]:
        """Without the traced module, which no pickle holds; a copy is folded when it is used."""
        return {**vars(self), "traced": None, "_places": []}

    def run(self, *inputs: Tensor) -> Any:
        """As the backbone's forward."""
        if are_all_heard():
            return type(self.backbone).forward(self.backbone, *inputs)
        if self.traced is None:
            del self.backbone.forward
            fold_if_possible(self.backbone)
            return self.backbone.forward(*inputs)
        is_known = is_compiling() or self._is_as_it_was()
        if not is_known and (part := self._other_part(self.traced)):
            warn_once(
                f"Batch norm stays a layer of its own: {part} of the backbone has a hook, or "
                "stands in another's place."
            )
            return type(self.backbone).forward(self.backbone, *inputs)
        return self.traced.forward(*inputs)

    def _is_as_it_was(self) -> bool:
        """Whether all parts are those of the last look, which every pass can afford to ask."""
        return bool(self._places) and not any(
            slots.get(key) is not part or is_changed(part) for slots, key, part in self._places
        )

    def _other_part(self, traced: fx.GraphModule) -> str:
        """A part for which the folded pass does not stand; empty if there is none.

        A norm or convolution that has taken the place of another of its kind, as `sync_bn` of
        MMEngine's runner puts it there, is computed with.
        """
        live = dict(self.backbone.named_modules(remove_duplicate=False))
        for name, part in live.items():
            if name and is_changed(part):
                return name
        own = dict(traced.named_modules(remove_duplicate=False))
        for name, part in own.items():
            if not name or any(part.children()) or live.get(name) is part:
                continue
            if not _is_of_a_kind(part, live.get(name)):
                return name
            path, _, last = name.rpartition(".")
            setattr(own[path], last, live[name])
        self._places = [
            (parent._modules, key, part)
            for parent in live.values()
            for key, part in parent._modules.items()
            if part is not None
        ]
        return ""


def _is_of_a_kind(part: nn.Module, other: nn.Module | None) -> bool:
    return type(part) is type(other) or all(isinstance(each, _BatchNorm) for each in (part, other))


def folded_convolution(
    norm: _BatchNorm, conv: nn.Conv2d, x: Tensor, residual: Tensor | None = None, relu: bool = False
) -> Tensor:
    """ReLU(norm(conv(x)) + residual); the sum and the ReLU are optional."""
    geometry = Geometry.of(conv)
    is_folded = not norm.training and norm.running_mean is not None
    if geometry is None:
        out = efficient_conv_bn_eval_control(norm, conv, x) if is_folded else norm(conv(x))
    elif is_folded:
        weight, bias = folded_weights(norm, conv)
        return convolve(x, weight, bias, geometry, residual, relu)
    else:
        out = norm(convolve(x, conv.weight, conv.bias, geometry))
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
