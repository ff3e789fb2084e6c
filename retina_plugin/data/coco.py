"""COCO-format data that names the image where preparing one fails."""

from typing import Any

import cv2
from mmdet.datasets import CocoDataset as MMDetCocoDataset

from ..errors import UserError
from ..registry import DATASETS


@DATASETS.register_module()
class CocoDataset(MMDetCocoDataset):
    """MMDetection's CocoDataset; takes the same keys."""

    def prepare_data(self, idx: int) -> Any:
        """Runs the pipeline on one image.

        Raises:
            UserError: the image is missing or cannot be decoded; it names file and image id.
        """
        try:
            return super().prepare_data(idx)
        except (OSError, AssertionError, cv2.error) as error:
            info = self.get_data_info(idx)
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UserError(
                f"cannot read image {info['img_path']} (image id {info['img_id']}): {reason}."
            ) from error
