"""What is held against an image before and after it is prepared, and what was passed over."""

import os
from collections.abc import Mapping
from typing import Any

from ..errors import UserError
from ..log import warn
from .confinement import is_inside
from .image_header import declared_size
from .storage import is_on_disk

SHOWN = 5  # unreadable images that an error lists


class ImageChecks:
    """Checks of single images, and counts in this process; a data loader's workers count alone.

    Args:
        unreadable: `error`, or `skip` for a warning and another image.
        max_unreadable: how many images may be skipped.
        allow_outside: whether images may lie outside the folders of `keep_in`.
        check_size: whether a size that is not that of the annotation file is an error.

    Raises:
        UserError: an option is wrong.
    """

    def __init__(
        self, unreadable: str, max_unreadable: int, allow_outside: bool, check_size: bool
    ) -> None:
        if unreadable not in ("error", "skip"):
            raise UserError(f"unreadable expects 'error' or 'skip', but got {unreadable!r}.")
        self.unreadable = unreadable
        self.max_unreadable = at_least_0("max_unreadable", max_unreadable)
        self.allow_outside = allow_outside
        self.check_size = check_size
        self.skipped: dict[str, None] = {}
        self.degenerate = 0
        self._checked: dict[int, int] = {}  # by image id, of which state of its file

    def keep_in(self, *folders: str | None, backend_args: Mapping[str, Any] | None = None) -> None:
        """Set the folders that images must lie in, and the storage where these are."""
        given = [folder for folder in folders if folder]
        self.is_local = is_on_disk(given, backend_args)
        self.folders = tuple(os.path.realpath(folder) for folder in given or ["."])

    def check_file(self, info: dict, ann_file: str) -> None:
        """Hold an image file against what can be known without decoding it.

        A process does so again only if the file has changed.

        Args:
            info: `img_path`, `img_id`, `width` and `height` of the image.
            ann_file: for messages.

        Raises:
            UserError: it lies outside, or is of another size even if turned.
            OSError: it declares more pixels than should be decoded.
        """
        if not self.is_local:
            return
        state = _state(info["img_path"])
        if state == self._checked.get(info["img_id"]):
            return
        if not self.allow_outside and not is_inside(info["img_path"], self.folders):
            raise UserError(
                f"{ann_file}: image id {info['img_id']}: {info['img_path']} leads out of "
                f"{' and '.join(self.folders)}: move it there, or set allow_outside=True."
            )
        size = declared_size(info["img_path"])
        if size is not None and sorted(size) != sorted((info["width"], info["height"])):
            self._check_size(info, ann_file, size, "is")
        self._checked[info["img_id"]] = state

    def check_decoded(self, info: dict, ann_file: str) -> None:
        """Hold the decoded size, `ori_shape` if there, against the annotation file's.

        Raises:
            UserError: they differ.
        """
        if "ori_shape" in info:
            height, width = info["ori_shape"][:2]
            self._check_size(info, ann_file, (width, height), "decodes to")

    def _check_size(self, info: dict, ann_file: str, size: tuple[int, int], verb: str) -> None:
        if not self.check_size or size == (info["width"], info["height"]):
            return
        raise UserError(
            f"{info['img_path']} {verb} {size[0]} x {size[1]} px, but {ann_file} gives image id "
            f"{info['img_id']} width {info['width']} and height {info['height']}: a resized copy, "
            "or a photo turned by its EXIF orientation (LoadImageFromFile takes it as stored with "
            "color_type='color_ignore_orientation'); correct the file, or set check_size=False."
        )

    def failed(self, info: dict, error: Exception) -> None:
        """Say that an image is skipped, where that is what `unreadable` has.

        Raises:
            UserError: it is not skipped, or too many were; it names file and image id.
        """
        is_read = "img" in info  # then it is a transform that failed
        reason = " ".join(str(error).split()) or type(error).__name__
        sentence = (
            f"cannot {'prepare' if is_read else 'read'} image {info['img_path']} "
            f"(image id {info['img_id']}): {reason}."
        )
        if self.unreadable == "error":
            raise UserError(sentence) from error
        self.skipped[info["img_path"]] = None
        count = len(self.skipped)
        if count > self.max_unreadable:
            raise UserError(
                f"{count} images cannot be used, more than max_unreadable={self.max_unreadable}: "
                f"{', '.join(list(self.skipped)[:SHOWN])}; the last: {sentence}"
            ) from error
        warn(f"skipped {count} of at most {self.max_unreadable} in this process: {sentence}")

    def count_degenerate(self, info: dict, dropped: int) -> None:
        """Say how many boxes were dropped: at the first, and whenever the count has doubled."""
        before, self.degenerate = self.degenerate, self.degenerate + dropped
        if before.bit_length() < self.degenerate.bit_length():
            warn(
                f"{info['img_path']} (image id {info['img_id']}): dropped {dropped} boxes that are "
                "narrower or lower than 1 px, or not finite, after the transforms; "
                f"{self.degenerate} so far in this process."
            )


def _state(path: str) -> int:
    try:
        status = os.stat(path)
    except OSError:
        return 0
    return hash((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))


def at_least_0(name: str, value: Any) -> Any:
    """The value of an option.

    Raises:
        UserError: it is no number of 0 or more.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise UserError(f"{name} expects a number of 0 or more, but got {value!r}.")
    return value
