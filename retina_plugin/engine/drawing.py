"""Drawn detections, of some images instead of all."""

from collections.abc import Sequence

from mmdet.engine.hooks import DetVisualizationHook
from mmengine.runner import Runner

from ..registry import HOOKS


@HOOKS.register_module()
class DrawingHook(DetVisualizationHook):
    """MMDetection's DetVisualizationHook, which in a test draws the first images only.

    A drawing takes several times as long as the detections in it on a small image.

    Args:
        *args: as in MMDetection's.
        most: images to draw.
        **options: as in MMDetection's.
    """

    def __init__(self, *args: object, most: int, **options: object) -> None:
        super().__init__(*args, **options)
        self.most = most

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: Sequence
    ) -> None:
        """Draw what is missing to the number."""
        outputs = outputs[: max(self.most - self._test_index, 0)]
        if outputs:
            super().after_test_iter(runner, batch_idx, data_batch, outputs)
