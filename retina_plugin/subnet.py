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
        if plain or not is_joinable(module):
            levels = [module(level) for level in levels]
        else:
            levels = _together(module.conv, levels, relu=True)
    return levels


def run_output(conv: nn.Module, levels: Iterable[Tensor], plain: bool) -> list[Tensor]:
    """Outputs of each level (N, C, Hi, Wi) by the convolution that ends a subnet.

    Args:
        conv: usually an nn.Conv2d.
        levels: features.
        plain: call the module as it is, level by level.
    """
    is_usual = type(conv) is nn.Conv2d and Geometry.of(conv) is not None and not is_changed(conv)
    if plain or not is_usual:
        return [conv(level) for level in levels]
    return _together(cast(nn.Conv2d, conv), list(levels))


def _together(conv: nn.Conv2d, levels: list[Tensor], relu: bool = False) -> list[Tensor]:
    """All levels, for which the weights are cast once."""
    geometry = cast(Geometry, Geometry.of(conv))
    return convolve_levels(levels, conv.weight, conv.bias, geometry, relu=relu)


def is_joinable(module: nn.Module) -> TypeGuard[Joinable]:
    """Whether it is a convolution and a ReLU, and nobody listens in between."""
    return (
        type(module) is ConvModule
        and type(module.conv) is nn.Conv2d
        and Geometry.of(module.conv) is not None
        and not module.with_norm
        and not module.with_explicit_padding
        and bool(module.with_activation)
        and type(module.activate) is nn.ReLU
        and module.order == STANDARD_ORDER
        and not any(is_changed(part) for part in (module, module.conv, module.activate))
    )
