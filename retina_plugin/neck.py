"""The feature pyramid of RetinaNet: P3..P5, P6 from C5, ReLU, P7 (section 4, footnote 2)."""

from typing import Any

import torch.nn.functional as F
from mmdet.models.necks import FPN
from mmdet.utils import ConfigType, OptConfigType
from torch import Tensor, nn

from .bounds import COUNT, WHOLE, check_number, check_numbers
from .errors import UserError
from .kernels.winograd import is_wanted
from .registry import MODELS
from .subnet import run_layer

XAVIER = {"type": "Xavier", "layer": "Conv2d", "distribution": "uniform"}
P6_SOURCES = {
    True: "on_input",
    "on_input": "on_input",
    "on_lateral": "on_lateral",
    "on_output": "on_output",
    False: False,
}


@MODELS.register_module()
class RetinaFPN(FPN):
    """MMDetection's FPN with the paper's choices as defaults; the same parameter names.

    Args:
        in_channels: channels of the backbone's levels, C5 last.
        out_channels: channels of P3..P7.
        num_outs: how many levels to build.
        start_level: index in `in_channels` of the finest level used; by default
            the third from the end, C3.
        end_level: index of the coarsest level used, -1 for the last.
        add_extra_convs: what P6 is made from: `on_input` C5 (the paper),
            `on_output` P5, `on_lateral` the lateral of P5; False: max-pooling of
            P5, without weights.
        relu_before_extra_convs: a ReLU between P6 and P7 (the paper); False is
            MMDetection's default.
        no_norm_on_lateral: no norm on the lateral convolutions.
        conv_cfg: of all convolutions.
        norm_cfg: of all convolutions.
        act_cfg: of all convolutions.
        upsample_cfg: of the top-down path.
        init_cfg: Xavier uniform and zero biases, as in FPN.

    Raises:
        UserError: where a number is none, or the levels do not fit each other.
    """

    def __init__(
        self,
        in_channels: list[int],
        out_channels: int = 256,
        num_outs: int = 5,
        start_level: int | None = None,
        end_level: int = -1,
        add_extra_convs: bool | str = "on_input",
        relu_before_extra_convs: bool = True,
        no_norm_on_lateral: bool = False,
        conv_cfg: OptConfigType = None,
        norm_cfg: OptConfigType = None,
        act_cfg: OptConfigType = None,
        upsample_cfg: ConfigType | None = None,
        init_cfg: OptConfigType = XAVIER,
    ) -> None:
        _check_channels(in_channels, out_channels)
        if start_level is None:
            start_level = max(len(in_channels) - 3, 0)
        _check_levels(in_channels, num_outs, start_level, end_level)
        if add_extra_convs not in P6_SOURCES:
            raise UserError(
                f"RetinaFPN expects add_extra_convs to be one of {list(P6_SOURCES)}, "
                f"but got {add_extra_convs!r}."
            )
        super().__init__(
            list(in_channels),
            out_channels,
            num_outs,
            start_level=start_level,
            end_level=end_level,
            add_extra_convs=P6_SOURCES[add_extra_convs],
            relu_before_extra_convs=relu_before_extra_convs,
            no_norm_on_lateral=no_norm_on_lateral,
            conv_cfg=conv_cfg,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
            upsample_cfg=upsample_cfg or {"mode": "nearest"},
            init_cfg=init_cfg,
        )
        for conv in self.fpn_convs[self.backbone_end_level - self.start_level :]:
            conv.register_forward_pre_hook(_widen_single_column)

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """P3..P7 (N, C, Hi, Wi) from the backbone's levels, of which some may stay unused."""
        used = inputs[self.start_level : self.backbone_end_level]
        laterals = [conv(x) for conv, x in zip(self.lateral_convs, used, strict=True)]
        for i in range(len(laterals) - 1, 0, -1):
            laterals[i - 1] = laterals[i - 1] + self._enlarged(laterals[i], laterals[i - 1])
        # Winograd's algorithm is why these are not simply called.
        plain = not is_wanted()
        outs = [run_layer(self.fpn_convs[i], [x], plain)[0] for i, x in enumerate(laterals)]
        sources = {"on_input": inputs[self.backbone_end_level - 1], "on_lateral": laterals[-1]}
        while len(outs) < self.num_outs:
            outs.append(self._coarser(outs, sources))
        return tuple(outs)

    def _enlarged(self, x: Tensor, finer: Tensor) -> Tensor:
        """A level in the size of the finer one; `upsample_cfg` may fix the factor instead."""
        size: dict[str, Any] = (
            {} if "scale_factor" in self.upsample_cfg else {"size": finer.shape[2:]}
        )
        return F.interpolate(x, **size, **self.upsample_cfg)

    def _coarser(self, outs: list[Tensor], sources: dict[str, Tensor]) -> Tensor:
        """The next level after those from the backbone."""
        if not self.add_extra_convs:
            return F.max_pool2d(outs[-1], 1, stride=2)
        is_first = len(outs) == len(self.lateral_convs)
        source = sources.get(self.add_extra_convs, outs[-1]) if is_first else outs[-1]
        if self.relu_before_extra_convs and not is_first:
            source = F.relu(source)
        return self.fpn_convs[len(outs)](source)


def _widen_single_column(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    """A map one cell wide with a column of zeros more, which changes no output.

    The convolutions after P5 pad by 1 and step by 2. On one column oneDNN (torch 2.13) leaves those
    parts of the bfloat16 weight gradient unwritten that only saw padding: whatever the memory
    held before, NaN too. Images of up to 64 px in width have such a P6.
    """
    (x,) = inputs
    return (F.pad(x, (0, 1)),) if x.shape[-1] == 1 else inputs


def _check_channels(in_channels: list[int], out_channels: int) -> None:
    if not isinstance(in_channels, list | tuple):
        raise UserError(
            "RetinaFPN expects in_channels to be a list, the channels of each level of the "
            f"backbone, but got {in_channels!r}."
        )
    for channels in in_channels:
        check_number("RetinaFPN", "every one of in_channels", channels, COUNT)
    check_number("RetinaFPN", "out_channels", out_channels, COUNT)


def _check_levels(in_channels: list[int], num_outs: int, start_level: int, end_level: int) -> None:
    levels = {"num_outs": num_outs, "start_level": start_level, "end_level": end_level}
    check_numbers("RetinaFPN", WHOLE, **levels)
    last = len(in_channels) - 1 if end_level == -1 else end_level
    if not 0 <= start_level <= last < len(in_channels):
        raise UserError(
            f"RetinaFPN expects 0 <= start_level <= end_level < {len(in_channels)} (the length of "
            f"in_channels), but got start_level={start_level} and end_level={end_level}."
        )
    used = last - start_level + 1
    if num_outs < used or (num_outs > used and last < len(in_channels) - 1):
        raise UserError(
            f"RetinaFPN builds {used} levels from the backbone and more only on top of the last "
            f"one, but got num_outs={num_outs}; change num_outs, start_level or end_level."
        )
