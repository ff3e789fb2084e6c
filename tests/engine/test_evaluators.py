import pytest

from retina_plugin.engine import evaluators
from retina_plugin.engine.evaluators import chosen_backend
from retina_plugin.errors import UserError


def test_auto_is_the_fast_one_where_it_is_installed(monkeypatch):
    monkeypatch.setattr(evaluators, "find_spec", lambda name: object())
    assert chosen_backend("auto") == "faster_coco_eval"
    monkeypatch.setattr(evaluators, "find_spec", lambda name: None)
    assert chosen_backend("auto") == "pycocotools"


def test_one_that_is_unknown_or_not_installed_is_an_error(monkeypatch):
    monkeypatch.setattr(evaluators, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="backend must be one of"):
        chosen_backend("numpy")
    with pytest.raises(UserError, match=r"pip install 'retina_plugin\[fast\]'"):
        chosen_backend("faster_coco_eval")
