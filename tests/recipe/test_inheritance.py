from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE

from retina_plugin.recipe import allow_inheritance
from retina_plugin.recipe.inheritance import drop_scope


def test_the_package_is_entered_once_and_for_all(monkeypatch):
    monkeypatch.setitem(MODULE2PACKAGE, "retina_plugin", "another")
    allow_inheritance()
    allow_inheritance()
    assert MODULE2PACKAGE["retina_plugin"] == "retina_plugin"


def test_importing_the_package_allows_inheritance():
    assert "retina_plugin" in MODULE2PACKAGE


def test_only_our_scope_is_dropped_however_deep():
    ours, theirs = {"_scope_": "retina_plugin", "a": 1}, {"_scope_": "mmdet", "a": 1}
    cfg = Config({"top": ours, "deep": {"list": [ours, (theirs, ours)]}, "number": 3})
    assert drop_scope(cfg) == []
    assert cfg.to_dict() == {
        "top": {"a": 1},
        "deep": {"list": [{"a": 1}, ({"_scope_": "mmdet", "a": 1}, {"a": 1})]},
        "number": 3,
    }
