"""Nothing is executed of a config that came as text or as YAML."""

import gc
import pickle
import re
from types import SimpleNamespace

import mmengine
import pytest
import yaml
from mmengine.config import Config
from mmengine.infer.infer import BaseInferencer

from retina_plugin.compat import config_text
from retina_plugin.errors import UserError


def test_yaml_of_plain_values_is_read_as_before(tmp_path):
    cfg = Config({"a": [1, 2.5, None], "b": {"c": (1, "x"), "d": True}})
    cfg.dump(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text("_base_: a.yaml\nb:\n  d: false\n")
    assert Config.fromfile(tmp_path / "a.yaml").to_dict() == cfg.to_dict()
    assert Config.fromfile(tmp_path / "b.yaml").b == {"c": (1, "x"), "d": False}
    assert mmengine.load(tmp_path / "a.yaml")["b"]["c"] == (1, "x")
    assert Config.fromstring("a: 1", ".yaml").a == 1


def said(path):
    """The sentence in which a config is refused."""
    try:
        Config.fromfile(path)
    except UserError as error:
        return str(error)
    finally:
        gc.collect()  # MMEngine leaves its own copy of the file open


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.parametrize("tag", ["apply:os.mkdir", "object/apply:os.mkdir", "name:os.mkdir"])
def test_yaml_that_names_python_is_refused_by_file(tmp_path, tag):
    marker = tmp_path / "executed"
    bad = tmp_path / "bad.yaml"
    bad.write_text(f"a: !!python/{tag} ['{marker}']\n")
    (tmp_path / "top.py").write_text("_base_ = 'bad.yaml'")
    for name in ("bad.yaml", "top.py"):
        assert re.fullmatch(r"config \S*bad.yaml: [^\n]*python.*", said(tmp_path / name))
    with pytest.raises(yaml.YAMLError):
        mmengine.load(bad)
    assert not marker.exists()


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_a_broken_yaml_is_named(tmp_path):
    (tmp_path / "a.yml").write_text("a: [1,\nb: }")
    assert re.match(r"config \S*a\.yml", said(tmp_path / "a.yml"))


def test_an_inferencer_needs_a_config_of_its_own():
    inferencer = SimpleNamespace()
    with pytest.raises(UserError, match=r"\(weights='a.pth'\) was given no config.*model=CONFIG"):
        BaseInferencer._init_model(inferencer, {}, "a.pth", "cpu")


def test_with_a_config_the_inferencer_is_mmengines():
    seen = []
    wrapped = config_text.needing_config(lambda *words, **names: seen.append((words, names)))
    wrapped("self", {"model": 1}, "a.pth", device="cpu")
    assert seen == [(("self", {"model": 1}, "a.pth"), {"device": "cpu"})]


def test_a_second_call_changes_nothing():
    before = Config._file2dict, BaseInferencer._init_model
    config_text.install()
    assert (Config._file2dict, BaseInferencer._init_model) == before
    assert pickle.loads(pickle.dumps(config_text.PlainLoader)) is config_text.PlainLoader
