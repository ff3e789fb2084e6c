"""MMDetection's RetinaNet, computed in the layout and precision that suit the processor."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmdet.models.detectors import RetinaNet as StockRetinaNet
from torch import Tensor

from .compat.torch_features import is_autocast_on
from .folding import fold_if_possible
from .kernels.winograd import wanted
from .precision import autocast_of, check_dtype, chosen_dtype
from .registry import MODELS


@MODELS.register_module()
class RetinaNet(StockRetinaNet):
    """MMDetection's detector with the same parameters, results and interface.

    Weights and images lie channels last. Batch norm that does not train (frozen, or in
    evaluation) is multiplied into the weights of the convolution before it, and the ReLU and
    the residual sum join it (see `folding`); gradients stay exact. Evaluation and inference run
    in `dtype`; training does in what its optimizer wrapper says.

    Args:
        dtype: `bfloat16`, `float32`, or `auto`: bfloat16 where the processor computes in it.
            Convolutions run in it; weights, scores, boxes and NMS stay in float32.
        channels_last: the layout.
        fold_norm: whether batch norm is multiplied in.
        winograd: whether 3x3 convolutions in float32 on a CPU take a quarter of the products, by
            Winograd's algorithm (kernels/winograd.py). It rounds in another way.
        **parts: as in MMDetection's RetinaNet.

    Raises:
        UserError: for another dtype.
    """

    def __init__(
        self,
        *args: Any,
        dtype: str = "auto",
        channels_last: bool = True,
        fold_norm: bool = True,
        winograd: bool = True,
        **parts: Any,
    ) -> None:
        check_dtype(dtype, "model.dtype")
        super().__init__(*args, **parts)
        self.dtype = dtype
        self.winograd = winograd
        self.channels_last = channels_last
        self._lay_out()
        if fold_norm:
            fold_if_possible(self.backbone)

    @property
    def memory_format(self) -> torch.memory_format:
        """In which weights and images lie; no attribute, because pickle knows no such type."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def init_weights(self) -> None:
        """Initialise; in the usual layout, so that a seed gives the weights it gives elsewhere."""
        self.to(memory_format=torch.contiguous_format)
        super().init_weights()
        self._lay_out()

    def _lay_out(self) -> None:
        """Lay the weights out; those of 1x1 convolutions are the same in both layouts.

        They keep the usual strides, which their gradients have: a fused optimizer copies a
        gradient whose strides differ from its weight's.
        """
        self.to(memory_format=self.memory_format)
        for parameter in self.parameters():
            if parameter.dim() == 4 and parameter.shape[2:] == (1, 1):
                parameter.data = parameter.data.as_strided(
                    parameter.shape, (parameter.shape[1], 1, 1, 1)
                )

    def forward(self, inputs: Tensor, data_samples: Any = None, mode: str = "tensor") -> Any:
        """As MMDetection's: losses, detections or feature maps by `mode`."""
        inputs = inputs.contiguous(memory_format=self.memory_format)
        with self._precision(inputs.device.type), wanted(self.winograd):
            return super().forward(inputs, data_samples, mode)

    @contextmanager
    def _precision(self, device_type: str) -> Iterator[None]:
        """Autocast outside of training, unless whoever calls chose a precision already."""
        if self.training or is_autocast_on(device_type):
            yield
            return
        is_cast = self.dtype == "auto" and next(self.parameters()).dtype != torch.float32
        wanted = "float32" if is_cast else self.dtype  # model.double() and half() compute so
        with autocast_of(chosen_dtype(wanted, device_type), device_type):
            yield
