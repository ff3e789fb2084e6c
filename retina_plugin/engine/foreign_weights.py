"""Says when weights were trained without the ReLU before P7 that the model applies."""

import warnings
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..neck import RetinaFPN
from ..registry import HOOKS
from .distributed import unwrapped


@HOOKS.register_module()
class ForeignWeightsHook(Hook):
    """Warns where a checkpoint of MMDetection meets a neck with the paper's ReLU before P7.

    Such weights load without a missing key, but P7 then computes something else.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Looks for our name in the config text that the checkpoint carries."""
        neck = getattr(unwrapped(runner.model), "neck", None)
        if isinstance(neck, RetinaFPN) and neck.relu_before_extra_convs and _foreign(checkpoint):
            warnings.warn(
                "these weights were trained by MMDetection, without the ReLU before P7: they "
                "score as published only with presets/mmdet.py "
                "(model.neck.relu_before_extra_convs=False).",
                stacklevel=2,
            )


def _foreign(checkpoint: dict[str, Any]) -> bool:
    meta = checkpoint.get("meta", {})
    # Searched as text, never executed.
    text = str(meta.get("cfg") or meta.get("config") or "")
    return bool(text) and "retina_plugin" not in text
