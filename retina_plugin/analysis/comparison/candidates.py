"""The models to compare: configs of ours and of MMDetection's zoo, with or without weights."""

import copy
import importlib.util
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from ...engine.launch import existing_checkpoint, read_file
from ...errors import UserError
from ...recipe.classes import heads_of

ZOO = "mmdet::"
# MMEngine's wrapper of mixed precision refuses a machine without GPU; ours computes the same.
MIXED_PRECISION = "retina_plugin.MixedPrecisionOptimWrapper"


@dataclass(frozen=True)
class Candidate:
    """A model of the comparison."""

    name: str  # in the table: the config's, and the checkpoint's where a config comes twice
    path: Path  # of the config
    checkpoint: str | None


def candidates(specs: Sequence[str]) -> list[Candidate]:
    """The models that are named, as `CONFIG` or `CONFIG=CHECKPOINT`.

    Args:
        specs: a config is a file, or `mmdet::FOLDER/NAME.py` of MMDetection's zoo.

    Raises:
        UserError: a file is missing, or two models are the same.
    """
    if len(set(specs)) < len(specs):
        twice = Counter(specs).most_common(1)[0][0]
        raise UserError(f"the model {twice} is named twice.")
    pairs = [spec.partition("=") for spec in specs]
    paths = [path_of(config) for config, _, _ in pairs]
    times = Counter(path.stem for path in paths)
    return [
        Candidate(
            path.stem if times[path.stem] == 1 else f"{path.stem} ({Path(weights).stem})",
            path,
            existing_checkpoint(weights, config) if weights else None,
        )
        for path, (config, _, weights) in zip(paths, pairs, strict=True)
    ]


def path_of(config: str) -> Path:
    """The file of a config.

    Raises:
        UserError: there is none.
    """
    path = Path(config)
    if config.startswith(ZOO):
        found = importlib.util.find_spec("mmdet")
        assert found is not None and found.origin is not None
        path = Path(found.origin).parent / ".mim" / "configs" / config.removeprefix(ZOO)
    if not path.is_file():
        raise UserError(f"there is no config {config}: give a file, or {ZOO}FOLDER/NAME.py.")
    return path


def combined(candidate: Candidate, recipe: Config) -> Config:
    """A model and its optimizer in the config of another one.

    The recipe gives data, pipelines and hooks. The rate of the model's own schedule is scaled to
    the recipe's batch (linearly: Goyal et al., arXiv 1706.02677).

    Raises:
        UserError: the config cannot be read, or has no model.
    """
    own = read_file(str(candidate.path))
    if "model" not in own:
        raise UserError(f"{candidate.path} has no model.")
    cfg = copy.deepcopy(recipe)
    classes = recipe.model.bbox_head.num_classes
    cfg.model = own.model
    for _, head in heads_of(cfg.model):
        head.num_classes = classes
    cfg.fast = own.get("fast", False)
    if own.get("optim_wrapper"):
        cfg.optim_wrapper = _scaled(own, cfg.train_dataloader.batch_size)
    cfg.auto_scale_lr = {"enable": False, "base_batch_size": cfg.train_dataloader.batch_size}
    return cfg


def _scaled(own: Config, batch: int) -> dict:
    """The optimizer of a config for another batch."""
    wrapper = copy.deepcopy(own.optim_wrapper)
    if wrapper.type.removeprefix("mmengine.") == "AmpOptimWrapper":
        wrapper.type = MIXED_PRECISION
        wrapper.pop("loss_scale", None)
    written_for = own.get("auto_scale_lr", {}).get("base_batch_size", batch)
    wrapper.optimizer.lr *= batch / written_for
    return wrapper
