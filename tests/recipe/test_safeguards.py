"""A config that trains gets the hooks that watch over it."""

import pytest
from mmengine.config import Config

from retina_plugin.recipe.safeguards import HOOKS, add_safeguards
from retina_plugin.registry import HOOKS as REGISTRY

OURS = "retina_plugin.MixedPrecisionOptimWrapper"


def test_a_config_without_hooks_gets_all_of_ours_once():
    cfg = Config({"default_hooks": None, "optim_wrapper": {"optimizer": {"type": "SGD"}}})
    changes = add_safeguards(cfg)
    names = {name: REGISTRY.get(hook["type"]).__name__ for name, hook in cfg.default_hooks.items()}
    assert names == HOOKS
    assert cfg.optim_wrapper == {"optimizer": {"type": "SGD"}, "type": OURS, "dtype": "float32"}
    assert len(changes) == len(HOOKS) + 2
    assert add_safeguards(cfg) == []


def test_hooks_that_were_set_or_turned_off_stay():
    own = {"guard": None, "stop": {"type": "mine.StopHook"}}
    wrapper = {"type": "OptimWrapper", "optimizer": {"type": "SGD"}}
    cfg = Config({"default_hooks": own, "optim_wrapper": wrapper})
    add_safeguards(cfg)
    assert cfg.default_hooks.guard is None
    assert cfg.default_hooks.stop.type == "mine.StopHook"
    assert cfg.optim_wrapper == wrapper


@pytest.mark.parametrize("kind", ["AmpOptimWrapper", "mine.Wrapper", OURS])
def test_another_wrapper_stays(kind):
    cfg = Config({"optim_wrapper": {"type": kind, "optimizer": {"type": "SGD"}}})
    add_safeguards(cfg)
    assert cfg.optim_wrapper == {"type": kind, "optimizer": {"type": "SGD"}}


def test_a_config_that_only_tests_has_no_wrapper_to_change():
    cfg = Config({"default_hooks": {}})
    add_safeguards(cfg)
    assert "optim_wrapper" not in cfg
