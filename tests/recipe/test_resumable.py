"""A config that trains gets the parts that make a resumed run exact."""

import pytest
from mmengine.config import Config

from retina_plugin.recipe.resumable import make_resumable


def config(**keys):
    return Config(
        {
            "train_dataloader": {"batch_size": 2},
            "train_cfg": {"by_epoch": True, "max_epochs": 2},
            **keys,
        }
    )


def test_stock_parts_are_replaced_and_said():
    cfg = config(default_hooks={"checkpoint": {"type": "CheckpointHook", "interval": 3}})
    changes = make_resumable(cfg)
    assert cfg.default_hooks.checkpoint == {"type": "retina_plugin.CheckpointHook", "interval": 3}
    assert cfg.default_hooks.seed.type == "retina_plugin.SeedHook"
    assert cfg.train_cfg == {"type": "retina_plugin.EpochBasedTrainLoop", "max_epochs": 2}
    assert [change.key for change in changes] == [
        "default_hooks.checkpoint.type",
        "default_hooks.seed.type",
        "train_cfg.type",
    ]
    assert make_resumable(cfg) == []


@pytest.mark.parametrize("loop", ["EpochBasedTrainLoop", "IterBasedTrainLoop"])
def test_both_loops_have_one_of_ours(loop):
    cfg = config(train_cfg={"type": loop})
    make_resumable(cfg)
    assert cfg.train_cfg.type == f"retina_plugin.{loop}"


def test_parts_of_others_stay():
    own = {
        "default_hooks": {"checkpoint": {"type": "my.Hook"}, "seed": None},
        "train_cfg": {"type": "my.Loop"},
    }
    cfg = config(**own)
    assert make_resumable(cfg) == []
    assert cfg.default_hooks == own["default_hooks"]


def test_it_can_be_switched_off_and_configs_that_only_test_stay():
    assert make_resumable(config(exact_resume=False)) == []
    assert make_resumable(Config({"test_cfg": {}})) == []
    with pytest.raises(ValueError, match="exact_resume expects True or False"):
        make_resumable(config(exact_resume="yes"))
