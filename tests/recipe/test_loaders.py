"""A loader that PyTorch would refuse is made to fit, and no other is touched."""

import copy

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from retina_plugin.engine.loops import seeded_loader
from retina_plugin.recipe.loaders import fit_loaders


def loaders(**options):
    return Config({f"{split}_dataloader": dict(options) for split in ("train", "val", "test")})


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("workers", [{"num_workers": 0}, {}])
def test_no_workers_persist_where_there_are_none(split, workers):
    cfg = Config({f"{split}_dataloader": {**workers, "persistent_workers": True}})
    (change,) = fit_loaders(cfg)
    assert change.key == f"{split}_dataloader.persistent_workers"
    assert cfg[f"{split}_dataloader"].persistent_workers is False
    assert fit_loaders(cfg) == []


def test_a_batch_sampler_drops_the_last_batch():
    cfg = loaders(drop_last=True, batch_sampler={"type": "AspectRatioBatchSampler"})
    assert len(fit_loaders(cfg)) == 3
    assert cfg.train_dataloader == {
        "batch_sampler": {"type": "AspectRatioBatchSampler", "drop_last": True}
    }
    assert fit_loaders(cfg) == []


@pytest.mark.parametrize(
    "options",
    [
        {"num_workers": 2, "persistent_workers": True},
        {"num_workers": 0, "persistent_workers": False},
        {"drop_last": True},
        {"drop_last": True, "batch_sampler": None},
        {"drop_last": False, "batch_sampler": {"type": "A", "drop_last": True}},
    ],
)
def test_what_pytorch_takes_stays(options):
    cfg = loaders(**options)
    before = copy.deepcopy(cfg.to_dict())
    assert fit_loaders(cfg) == []
    assert cfg.to_dict() == before


def test_a_config_may_lack_loaders_or_hold_one_that_is_built():
    cfg = Config({"train_dataloader": None})
    cfg._cfg_dict["val_dataloader"] = object()
    assert fit_loaders(cfg) == []


def test_the_runner_builds_a_loader_that_was_fitted(tiny_config):
    """4 images in batches of 3: the last one is left out."""
    options = {"num_workers": 0, "persistent_workers": True, "drop_last": True, "batch_size": 3}
    cfg = tiny_config(**{f"train_dataloader.{key}": value for key, value in options.items()})
    loader = Runner.build_dataloader(seeded_loader(cfg.train_dataloader), seed=0)
    assert [len(batch["inputs"]) for batch in loader] == [3]
