"""COCO-format data, checked when it is loaded and when an image is prepared."""

import os
from typing import Any

import cv2
import numpy as np
from mmdet.datasets import CocoDataset as MMDetCocoDataset
from mmengine.fileio import get_local_path
from mmengine.logging import print_log

from ..errors import UserError
from ..log import warn
from ..registry import DATASETS
from .coco_file import category_names, check_class_names, collection_paused, read_coco
from .confinement import check_file_names, leaves
from .entries import Entries
from .image_checks import ImageChecks, at_least_0
from .sample_boxes import drop_degenerate
from .selection import Images, report, select


@DATASETS.register_module()
class CocoDataset(MMDetCocoDataset):
    """MMDetection's CocoDataset; takes the same keys, and labels follow `metainfo.classes`.

    Args:
        *args: as in MMDetection's.
        unreadable: what to do with an image that cannot be read: `error`, or `skip`, in training
            only, which takes another image and says so.
        max_unreadable: how many images may be skipped; each worker of a data loader counts its
            own.
        max_dropped: share of the annotations, of those that are asked for, that may be unusable.
        allow_outside: whether images may lie outside `data_root` and `data_prefix`.
        check_size: whether an image of another size than its annotation file says is an error.
        background: whether a file to train with may have no annotation at all, as one of several.
        **options: as in MMDetection's.

    Raises:
        UserError: an option or the annotation file is wrong; it names file, entry and field.
    """

    def __init__(
        self,
        *args: Any,
        unreadable: str = "error",
        max_unreadable: int = 100,
        max_dropped: float = 0.5,
        allow_outside: bool = False,
        check_size: bool = True,
        background: bool = False,
        **options: Any,
    ) -> None:
        if unreadable == "skip" and options.get("test_mode"):
            raise UserError("unreadable='skip' is for training: evaluation must see every image.")
        self.max_dropped = at_least_0("max_dropped", max_dropped)
        self.allow_outside = allow_outside
        self.background = background
        self.images = ImageChecks(unreadable, max_unreadable, allow_outside, check_size)
        super().__init__(*args, **options)
        # MMDetection's dataset numbers labels in the file's order; CocoMetric asks for this.
        self._metainfo["labels_follow"] = "classes"

    @collection_paused()
    def load_data_list(self) -> list[dict]:
        """The images with their boxes, in MMDetection's layout.

        Raises:
            UserError: the file is malformed, or too much of it cannot be used.
        """
        with get_local_path(self.ann_file, backend_args=self.backend_args) as path:
            content = read_coco(path, self.ann_file)
        in_file = self._read_categories(content["categories"])
        images = self._read_images(content["images"])
        entries = Entries(self.ann_file, "annotation", content["annotations"])
        if not entries.rows:
            return [self._info(image, []) for image in content["images"]]
        asked = np.array(self.cat_ids)
        image, reason = select(entries, images, in_file, asked)
        report(entries, reason, self.max_dropped)
        return self._grouped(content, image, np.flatnonzero(reason < 0))

    def _read_categories(self, categories: list[dict]) -> np.ndarray:
        """Sets what depends on the classes; gives the ids of all categories."""
        ids = Entries(self.ann_file, "category", categories).ids()
        names = category_names(categories, self.ann_file)
        classes = self.metainfo["classes"]
        check_class_names(classes, names, self.ann_file)
        self.cat_ids = [int(ids[names.index(name)]) for name in classes]
        self.cat2label = {category: label for label, category in enumerate(self.cat_ids)}
        self.cat_img_map: dict[int, list[int]] = {category: [] for category in self.cat_ids}
        return ids

    def _read_images(self, rows: list[dict]) -> Images:
        entries = Entries(self.ann_file, "image", rows)
        ids = entries.ids()
        widths, heights = entries.sides("width"), entries.sides("height")
        check_file_names(entries, entries.texts("file_name"), self.allow_outside)
        columns = zip(rows, ids.tolist(), widths.tolist(), heights.tolist(), strict=True)
        for row, number, width, height in columns:
            row.update(img_id=number, width=width, height=height)
        return Images(ids, widths, heights)

    def _grouped(self, content: dict, image: np.ndarray, kept: np.ndarray) -> list[dict]:
        """Annotations with these indices, each at its image."""
        rows, images = content["annotations"], content["images"]
        groups: list[list[dict]] = [[] for _ in images]
        for index, place in zip(kept.tolist(), image[kept].tolist(), strict=True):
            groups[place].append(rows[index])
            self.cat_img_map[rows[index]["category_id"]].append(images[place]["img_id"])
        return [self._info(image, group) for image, group in zip(images, groups, strict=True)]

    def _info(self, image: dict, annotations: list[dict]) -> dict:
        return self.parse_data_info({"raw_img_info": image, "raw_ann_info": annotations})

    def filter_data(self) -> list[dict]:
        """What `filter_cfg` leaves, and in training a word on how much that is.

        Raises:
            UserError: no image is left, or in training no box.
        """
        kept = super().filter_data()
        if not kept:
            raise UserError(
                f"{self.ann_file}: filter_cfg={self.filter_cfg} leaves none of "
                f"{len(self.data_list)} images: filter_empty_gt leaves out those without a box of "
                "the classes, min_size small ones."
            )
        if not self.test_mode:
            self._check_boxes(kept)
        if len(kept) < len(self.data_list):
            left_out = len(self.data_list) - len(kept)
            text = f"left out {left_out} of {len(self.data_list)} images by {self.filter_cfg}."
            print_log(f"{self.ann_file}: {text}", logger="current")
        return kept

    def _check_boxes(self, kept: list[dict]) -> None:
        """Holds the images to train with against the need of a box."""
        boxes = (box for info in kept for box in info["instances"])
        if self.background and not any(info["instances"] for info in kept):
            warn(f"{self.ann_file} has no boxes: its {len(kept)} images are background.")
        elif all(box["ignore_flag"] for box in boxes):
            raise UserError(
                f"{self.ann_file}: no box of the classes {', '.join(self.metainfo['classes'])} is "
                f"left in {len(kept)} images, so nothing can be learned: see its annotations, or "
                "set background=True if it is to show background beside other files."
            )

    def load_proposals(self) -> None:
        """MMDetection's, from JSON only.

        Raises:
            UserError: another format, of which some run code when they are opened.
        """
        if not str(self.proposal_file).endswith(".json"):
            raise UserError(f"proposal_file: {self.proposal_file} must be a JSON file.")
        super().load_proposals()

    def _join_prefix(self) -> None:
        name = self.ann_file or ""
        is_relative = bool(self.data_root) and not os.path.isabs(name) and "://" not in name
        if is_relative and leaves(name) and not self.allow_outside:
            raise UserError(
                f"ann_file: {name} leads out of data_root {self.data_root}: name a file inside, "
                "an absolute path, or set allow_outside=True."
            )
        self.data_prefix.setdefault("img", "")
        super()._join_prefix()
        folders = (self.data_root, self.data_prefix["img"])
        self.images.keep_in(*folders, backend_args=self.backend_args)

    def prepare_data(self, idx: int) -> Any:
        """Runs the pipeline on one image; None where the image is skipped.

        Raises:
            UserError: the image is missing, cannot be decoded, lies outside the data's folder or
                is of another size than its annotations say; it names file and image id.
        """
        info = self.get_data_info(idx)
        try:
            self.images.check_file(info, self.ann_file)
            data = self.pipeline(info)
        except (OSError, AssertionError, cv2.error) as error:
            return self.images.failed(info, error)
        self.images.check_decoded(info, self.ann_file)
        self.images.count_degenerate(info, drop_degenerate(data))
        return data
