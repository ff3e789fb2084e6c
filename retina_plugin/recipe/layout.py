"""Finds the files of a COCO-format folder, for configs whose `recipe` has find_files=True.

Annotation files, the first that exists (SPLIT is train; val, valid or validation):
    annotations/SPLIT.json                  what this package suggests
    annotations/instances_SPLIT2017.json    COCO
    annotations/instances_SPLIT.json
    SPLIT/_annotations.coco.json            Roboflow
    SPLIT.json
Image folders, the first that holds the first image of the annotation file:
    images, images/SPLIT, SPLIT, SPLIT2017, images/SPLIT2017, the data root itself
"""

import os

from mmengine.config import Config, ConfigDict

from ..errors import UserError
from .annotations import read_annotations
from .datasets import datasets_of, written_for
from .paths import full_ann_file, is_on_disk
from .report import Change

NAMES = {"train": ("train",), "val": ("val", "valid", "validation")}
NAMES["test"] = NAMES["val"]
FILES = (
    "annotations/{}.json",
    "annotations/instances_{}2017.json",
    "annotations/instances_{}.json",
    "{}/_annotations.coco.json",
    "{}.json",
)
FOLDERS = ("images/", "images/{}/", "{}/", "{}2017/", "images/{}2017/", "")


def find_files(cfg: Config) -> list[Change]:
    """Fills in the annotation file and the image folder of each dataset that lacks them.

    Raises:
        UserError: the folder or a file is missing; it says what was looked for.
    """
    if not written_for(cfg).get("find_files"):
        return []
    changes = []
    for split, key, dataset in datasets_of(cfg):
        changes += _fill_ann_file(split, key, dataset)
        changes += _fill_images(split, key, dataset)
    return changes


def _fill_ann_file(split: str, key: str, dataset: ConfigDict) -> list[Change]:
    if dataset.get("ann_file"):
        return []
    root = dataset.data_root
    if not is_on_disk(dataset, root):
        raise UserError(
            f"data_root: {root} is on a storage, where files cannot be looked for; name the file "
            f"with --cfg-options {key}.ann_file=FILE and its images with {key}.data_prefix.img."
        )
    if not os.path.isdir(root):
        raise UserError(f"data_root: there is no folder {root}.")
    candidates = [file.format(name) for file in FILES for name in NAMES[split]]
    found = [file for file in candidates if os.path.isfile(os.path.join(root, file))]
    if not found:
        raise UserError(
            f"data_root: {root} holds no {split} annotations, looked for {', '.join(candidates)}; "
            f"name the file with --cfg-options {key}.ann_file=FILE."
        )
    dataset.ann_file = found[0]
    return [Change(f"{key}.ann_file", found[0], f"found in {root}")]


def _fill_images(split: str, key: str, dataset: ConfigDict) -> list[Change]:
    if dataset.get("data_prefix", {}).get("img"):
        return []
    if not is_on_disk(dataset, dataset.data_root):
        return []
    first = read_annotations(dataset, key).first_image
    folders = [folder.format(name) for folder in FOLDERS for name in NAMES[split]]
    for folder in folders:
        if first and os.path.isfile(os.path.join(dataset.data_root, folder, first)):
            dataset.data_prefix = {"img": folder}
            return [Change(f"{key}.data_prefix.img", folder, f"holds {first}")] if folder else []
    raise UserError(
        f"data_root: the first image of {full_ann_file(dataset)}, {first!r}, is in none of the "
        f"folders {', '.join(dict.fromkeys(folders))} of {dataset.data_root}; name the folder with "
        f"--cfg-options {key}.data_prefix.img=FOLDER."
    )
