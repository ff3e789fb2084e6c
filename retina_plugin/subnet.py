"""A subnet of the head: the same convolutions for every level (section 4 of the paper)."""

from collections.abc import Iterable
from typing import Protocol, TypeGuard, cast

from mmcv.cnn import ConvModule
from torch import Tensor, nn

from .kernels.convolution import Geometry, convolve_levels
from .listeners import is_changed

STANDARD_ORDER = ("conv", "norm", "act")


class Joinable(Protocol):
    """A ConvModule of which `is_joinable` holds."""

    conv: nn.Conv2d


def run_subnet(convs: Iterable[nn.Module], levels: Iterable[Tensor], plain: bool) -> list[Tensor]:
    """Features of each level (N, C, Hi, Wi) after all the convolutions.

    Args:
        convs: MMCV's ConvModules.
        levels: the pyramid.
        plain: call each module as it is, level by level.
    """
    levels = list(levels)
    for module in convs:
        levels = run_layer(module, levels, plain)
    return levels


def run_layer(module: nn.Module, levels: list[Tensor], plain: bool) -> list[Tensor]:
    """Outputs of one ConvModule for each level; arguments as in `run_subnet`."""
    if plain or not is_usual(module):
        return [module(level) for level in levels]
    joins_relu = is_joinable(module)
    levels = _together(module.conv, levels, joins_relu)
    if module.with_norm:
        levels = [module.norm(level) for level in levels]
    if module.with_activation and not joins_relu:
        levels = [module.activate(level) for level in levels]
    return levels


def run_output(conv: nn.Module, levels: list[Tensor], plain: bool) -> list[Tensor]:
    """Outputs of the convolution that ends a subnet; arguments as in `run_subnet`."""
    if plain or type(conv) is not nn.Conv2d or Geometry.of(conv) is None or is_changed(conv):
        return [conv(level) for level in levels]
    return _together(conv, levels)


def _together(conv: nn.Conv2d, levels: list[Tensor], relu: bool = False) -> list[Tensor]:
    """All levels, for which the weights are cast once."""
    geometry = cast(Geometry, Geometry.of(conv))
    return convolve_levels(levels, conv.weight, conv.bias, geometry, relu=relu)


def is_usual(module: nn.Module) -> TypeGuard[ConvModule]:
    """Whether it is a convolution, then norm and activation if any, and nobody listens between."""
    return (
        type(module) is ConvModule
        and type(module.conv) is nn.Conv2d
        and Geometry.of(module.conv) is not None
        and not module.with_explicit_padding
        and not module.with_spectral_norm
        and module.order == STANDARD_ORDER
        and not any(is_changed(part) for part in (module, module.conv))
    )


def is_joinable(module: nn.Module) -> TypeGuard[Joinable]:
    """Whether it is a convolution and a ReLU, and nobody listens in between."""
    return (
        is_usual(module)
        and not module.with_norm
        and bool(module.with_activation)
        and type(module.activate) is nn.ReLU
        and not is_changed(module.activate)
    )
