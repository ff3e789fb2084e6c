import json
import os

import pytest

from retina_plugin.analysis.trainings import train_apart
from retina_plugin.errors import UserError

SCRIPT = """
import json, os, pathlib, sys
names = ("OMP_NUM_THREADS", "RETINA_PLUGIN_STARTER")
pathlib.Path("seen.json").write_text(json.dumps([sys.argv[1:], *map(os.environ.get, names)]))
kind = pathlib.Path(sys.argv[1]).stem
print("error: the loss was not finite at step 3" if kind == "diverges" else "error: no such file")
sys.exit(0 if kind == "good" else 1)
"""


@pytest.fixture
def train(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)

    def start(kind, *options, **environment):
        config, work_dir = tmp_path / f"{kind}.py", tmp_path / "work" / kind
        return train_apart(tmp_path / "train.py", config, work_dir, options, environment)

    return start


def test_a_training_gets_its_options_and_environment(train, tmp_path):
    assert train("good", "a=1", "b=2", OMP_NUM_THREADS="7") == ""
    words, threads, _ = json.loads((tmp_path / "seen.json").read_text())
    assert words[1:] == ["--work-dir", str(tmp_path / "work/good"), "--cfg-options", "a=1", "b=2"]
    assert threads == "7"
    assert "OMP_NUM_THREADS" not in os.environ or os.environ["OMP_NUM_THREADS"] != "7"


def test_a_training_is_told_whose_it_is(train, tmp_path):
    train("good")
    *_, starter = json.loads((tmp_path / "seen.json").read_text())
    assert int(starter) == os.getpid()
    assert "RETINA_PLUGIN_STARTER" not in os.environ


def test_a_loss_that_is_not_finite_is_a_result(train, tmp_path):
    assert train("diverges") == "the loss was not finite at step 3"
    assert "not finite" in (tmp_path / "work/diverges/log.txt").read_text()


def test_another_failure_names_the_log(train, tmp_path):
    with pytest.raises(
        UserError, match="training of broken failed: no such file Its log is .*log.txt"
    ):
        train("broken")
