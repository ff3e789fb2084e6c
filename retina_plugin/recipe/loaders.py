"""Options of the data loaders that PyTorch refuses together, made to fit."""

from collections.abc import Iterator

from mmengine.config import Config, ConfigDict

from .datasets import SPLITS
from .report import Change


def fit_loaders(cfg: Config) -> list[Change]:
    """Lets no workers persist where there are none, and the batch sampler drop the last batch."""
    loaders = [(f"{split}_dataloader", cfg.get(f"{split}_dataloader")) for split in SPLITS]
    return [
        change
        for key, loader in loaders
        if isinstance(loader, dict)
        for change in _fitted(key, loader)
    ]


def _fitted(key: str, loader: ConfigDict) -> Iterator[Change]:
    if loader.get("persistent_workers") and not loader.get("num_workers"):
        loader.persistent_workers = False
        yield Change(f"{key}.persistent_workers", False, "num_workers=0: there are none to keep")
    batches = loader.get("batch_sampler")
    if loader.get("drop_last") and isinstance(batches, dict):
        batches["drop_last"] = loader.pop("drop_last")
        yield Change(f"{key}.batch_sampler.drop_last", True, "the batch sampler makes the batches")
