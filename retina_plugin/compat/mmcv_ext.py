"""A module `mmcv._ext` for an mmcv without compiled operators (mmcv-lite).

All of MMDetection imports `mmcv.ops`, which imports `mmcv._ext`; a RetinaNet needs nothing of it
but NMS, a Faster R-CNN also RoIAlign. Those operators are served by this package; any other one
fails when it is called, not when it is imported.
"""

import importlib
import sys
import warnings
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

from torch import Tensor

from ..errors import UserError
from ..kernels import suppression
from .focal import sigmoid_focal_loss_backward, sigmoid_focal_loss_forward
from .roi_align import roi_align_backward, roi_align_forward

NAME = "mmcv._ext"


class MissingOperatorError(UserError, NotImplementedError):
    """An operator of mmcv was called that has no stand-in."""


def install() -> None:
    """Put the module in place where mmcv has no working compiled one; change nothing elsewhere."""
    try:
        importlib.import_module(NAME)
    except ModuleNotFoundError:
        sys.modules[NAME] = build()
    except ImportError as error:
        warnings.warn(
            f"The compiled operators of this mmcv do not load ({error}); plain PyTorch is used "
            "instead, as with mmcv-lite: rebuild mmcv against this PyTorch to use them.",
            stacklevel=2,
        )
        sys.modules[NAME] = build()


def is_stand_in() -> bool:
    """Whether mmcv's operators are the ones below, not compiled ones."""
    return getattr(sys.modules.get(NAME), "nms", None) is nms


def build() -> ModuleType:
    """The module: the operators below, and for any other name a function that raises."""
    module = ModuleType(NAME, doc="Stand-ins of retina_plugin for mmcv's compiled operators.")
    # No loader: MMEngine takes a module with one for compiled operators and would use them all.
    module.__spec__ = ModuleSpec(NAME, loader=None, origin=__name__)
    operators = [
        nms,
        softnms,
        sigmoid_focal_loss_forward,
        sigmoid_focal_loss_backward,
        roi_align_forward,
        roi_align_backward,
        get_compiler_version,
        get_compiling_cuda_version,
    ]
    vars(module).update({operator.__name__: operator for operator in operators})
    vars(module)["__getattr__"] = missing
    return module


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Greedy NMS under mmcv's signature: indices of the kept boxes, best score first."""
    return suppression.nms(boxes, scores, iou_threshold, offset)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Soft-NMS under mmcv's signature: fills the first rows of `dets` (N, 5), returns indices."""
    name = suppression.METHODS[method]  # by mmcv's number, too
    kept, indices = suppression.soft_nms(
        boxes, scores, iou_threshold, sigma, min_score, name, offset
    )
    dets[: len(kept)] = kept
    return indices


def missing(name: str) -> Callable[..., NoReturn]:
    """A function that says what to install for operator `name`.

    Raises:
        AttributeError: `name` is a private name, which Python and not mmcv asks for.
    """
    if name.startswith("_"):
        raise AttributeError(f"module {NAME!r} has no attribute {name!r}")

    def operator(*args: Any, **kwargs: Any) -> NoReturn:
        raise MissingOperatorError(
            f"The operator {name} of mmcv was called, but this mmcv has no compiled operators "
            "(mmcv-lite): replace it by the compiled mmcv of the same version to use this model."
        )

    operator.__name__ = name
    return operator


def get_compiler_version() -> str:
    """What MMEngine's environment report shows as compiler."""
    return "none (plain PyTorch stand-ins of retina_plugin)"


def get_compiling_cuda_version() -> str:
    """What MMEngine's environment report shows as CUDA compiler."""
    return "not available"
