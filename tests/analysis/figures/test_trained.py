import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from retina_plugin.analysis.figures.trained import curves, loss

TOOL = Path(__file__).parents[3] / "tools" / "figures.py"


@pytest.fixture
def trained(tiny_config, make_model, tmp_path):
    """A config and two checkpoints of it."""
    cfg = tiny_config()
    cfg.dump(tmp_path / "tiny.py")
    for number in (1, 2):
        weights = make_model(copy.deepcopy(cfg.model)).state_dict()
        torch.save({"state_dict": weights}, tmp_path / f"iter_{number}.pth")
    return tmp_path


def test_curves_need_nothing(tmp_path, capsys):
    assert curves(out=tmp_path) == 0
    assert (tmp_path / "figure1_focal_loss.svg").exists()
    assert "figures 1, 5 and 6" in capsys.readouterr().out


def test_figure_4_of_the_last_and_p_t_of_all_checkpoints(trained):
    """In a process of its own, where nobody has set MMDetection's scope."""
    out = trained / "out"
    paths = [trained / f"iter_{number}.pth" for number in (1, 2)]
    words = [TOOL, "loss", trained / "tiny.py", *paths, "--images", "2", "--out", out]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = {path.name for path in out.iterdir()}
    assert {"figure4_cumulative_loss.png", "p_t_over_training.svg", "figure4.json"} <= names
    shares = json.loads((out / "figure4.json").read_text())
    assert list(shares) == ["hardest 20% of foreground", "hardest 1% of background"]
    assert all(0 < share <= 1 for of_kind in shares.values() for share in of_kind.values())
    assert "hardest 1% of background" in done.stdout


def test_a_checkpoint_of_another_model_is_a_sentence(trained, capsys):
    torch.save({"state_dict": {"a": torch.zeros(1)}}, trained / "other.pth")
    arguments = {"config": str(trained / "tiny.py"), "images": 2, "cfg_options": []}
    for path, words in (("other.pth", "does not fit the model"), ("gone.pth", "there is no file")):
        assert loss(**arguments, checkpoints=[str(trained / path)], out=trained / "o") == 1
        assert words in capsys.readouterr().err
    assert not (trained / "o").exists()
