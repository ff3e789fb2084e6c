"""What can be known to be wrong before anything is written."""

import os
import re

import torch
from mmengine.config import Config, ConfigDict

from ..errors import UserError
from .annotations import read_annotations
from .classes import check_classes, check_same_classes, is_coco
from .datasets import datasets_of
from .names import check_names
from .paths import full_ann_file, image_folder, is_on_disk
from .safe_names import check_safe_names

# In CUDA_VISIBLE_DEVICES; another first entry, such as SLURM's NoDevFiles, hides all of them.
GPU = re.compile(r"\s*(\d|GPU-|MIG-)")


def check(cfg: Config, splits: tuple[str, ...]) -> None:
    """Holds a resolved config against files, class names, registry and machine.

    Args:
        cfg: the config, after `resolve`.
        splits: which datasets will be used: train, val, test.

    Raises:
        UserError: the first thing that is wrong, with its file and key.
    """
    check_device(cfg, splits)
    check_safe_names(cfg, splits)
    check_names(cfg, splits)
    coco = [each for each in datasets_of(cfg, splits) if is_coco(each[2])]
    for split, key, dataset in coco:
        check_data(key, dataset)
        check_classes(cfg, split, key, dataset)
    check_same_classes([(key, dataset) for _, key, dataset in coco])
    if "train" in splits:
        check_annotations([(key, dataset) for _, key, dataset in datasets_of(cfg, ("train",))])


def check_data(key: str, dataset: ConfigDict) -> None:
    """Holds a COCO dataset's paths against the disk.

    Raises:
        UserError: a folder, a file or the first image is missing.
    """
    root = dataset.get("data_root") or ""
    if root and is_on_disk(dataset, root, full_ann_file(dataset)) and not os.path.isdir(root):
        raise UserError(f"{key}.data_root: there is no folder {root}.")
    first = read_annotations(dataset, key).first_image
    image = os.path.join(image_folder(dataset), first)
    if is_on_disk(dataset, image) and not os.path.isfile(image):
        raise UserError(f"{key}.data_prefix.img: there is no image {image}.")


def check_annotations(datasets: list[tuple[str, ConfigDict]]) -> None:
    """Holds the data to train with against the need of an object; one file may be of background.

    Raises:
        UserError: all are COCO files, and none of them holds an annotation.
    """
    if not datasets or not all(is_coco(dataset) for _, dataset in datasets):
        return
    if not any(read_annotations(dataset, key).annotations for key, dataset in datasets):
        keys = ", ".join(f"{key}.ann_file" for key, _ in datasets)
        files = ", ".join(full_ann_file(dataset) for _, dataset in datasets)
        raise UserError(f"{keys}: no annotations are in {files}, so nothing can be learned.")


def check_device(cfg: Config, splits: tuple[str, ...]) -> None:
    """Holds what asks for a GPU against the machine.

    Args:
        cfg: the config.
        splits: as in `check`; what is for training alone is not asked without train.

    Raises:
        UserError: a GPU is asked for and torch finds none.
    """
    if torch.cuda.is_available():
        return
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    wrapper = cfg.get("optim_wrapper", {}).get("type") if "train" in splits else None
    asked = {
        "device": str(cfg.get("device", "")).startswith("cuda"),
        f"CUDA_VISIBLE_DEVICES={visible}": GPU.match(visible) is not None,
        "optim_wrapper.type=AmpOptimWrapper": wrapper == "AmpOptimWrapper",
    }
    for key in (key for key, wanted in asked.items() if wanted):
        found = f"but torch {torch.__version__} finds none here"
        if "AmpOptimWrapper" in key:
            found += "; a CPU's mixed precision is that of retina_plugin.MixedPrecisionOptimWrapper"
        raise UserError(f"{key} asks for a GPU, {found}.")
