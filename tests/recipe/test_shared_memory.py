"""Batches that do not fit into shared memory are loaded without workers."""

import copy

import pytest
from mmengine.config import Config

from retina_plugin.recipe import shared_memory
from retina_plugin.recipe.shared_memory import BESIDE, fit_shared_memory, free_shared_memory

SCALES = [{"type": "Resize", "scale": (200, 100)}, {"type": "RandomFlip", "prob": 0.5}]


@pytest.fixture
def free(monkeypatch):
    """Set how many bytes can be shared."""
    return lambda count: monkeypatch.setattr(shared_memory, "free_shared_memory", lambda: count)


def config(pipeline=SCALES, **options):
    dataset = {"type": "CocoDataset", "pipeline": copy.deepcopy(pipeline)}
    return Config({"train_dataloader": {"batch_size": 4, "dataset": dataset, **options}})


# Two workers with two batches each, and the one that is trained on.
NEEDED = 5 * 4 * (200 * 100 * 3 + BESIDE)


def test_workers_stay_where_their_batches_fit(free):
    free(NEEDED)
    cfg = config(num_workers=2)
    assert fit_shared_memory(cfg) == []
    assert cfg.train_dataloader.num_workers == 2


def test_there_are_none_where_they_do_not_and_a_line_says_why(free):
    free(NEEDED - 1)
    others = {"persistent_workers": True, "timeout": 5, "prefetch_factor": 2}
    cfg = config(num_workers=2, **others)
    (change,) = fit_shared_memory(cfg)
    assert (change.key, change.value) == ("train_dataloader.num_workers", 0)
    assert "/dev/shm has room for 2 MB, too little for workers' batches of 3 MB" in change.reason
    assert cfg.train_dataloader.num_workers == 0
    assert not set(others) & set(cfg.train_dataloader)
    assert fit_shared_memory(cfg) == []


@pytest.mark.parametrize(
    ("pipeline", "long", "short"),
    [
        ([{"type": "RandomChoiceResize", "scales": [(50, 50), (300, 200)]}], 300, 200),
        ([{"type": "Resize", "scale": 640}], 640, 640),
        ([{"type": "PackDetInputs"}], 1333, 800),
    ],
    ids=["several", "one side", "none"],
)
def test_the_largest_scale_counts(free, pipeline, long, short):
    needed = 3 * (long * short * 3 + BESIDE)
    options = {"pipeline": pipeline, "num_workers": 1, "batch_size": 1}
    free(needed)
    assert fit_shared_memory(config(**options)) == []
    free(needed - 1)
    assert len(fit_shared_memory(config(**options))) == 1


@pytest.mark.parametrize("count", [0, None])
def test_a_config_without_workers_and_another_system_need_nothing(free, count):
    free(count)
    assert fit_shared_memory(config(num_workers=0 if count == 0 else 2)) == []
    assert fit_shared_memory(Config({"train_dataloader": None})) == []


def test_a_folder_that_is_not_there_has_no_room(monkeypatch, tmp_path):
    monkeypatch.setattr(shared_memory.sys, "platform", "linux")
    monkeypatch.setattr(shared_memory, "SHARED", tmp_path / "gone")
    assert free_shared_memory() == 0
    monkeypatch.setattr(shared_memory, "SHARED", tmp_path)
    assert free_shared_memory() > 0
    monkeypatch.setattr(shared_memory.sys, "platform", "darwin")
    assert free_shared_memory() is None
