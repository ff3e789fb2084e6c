"""Pairs of trainings, with a stand-in for the training script."""

import json
import math

import pytest

from retina_plugin.analysis.benchmark.paired_runs import (
    Run,
    against_stock,
    compare,
    difference,
    print_table,
)
from retina_plugin.errors import UserError

# Takes train.py's arguments and writes what an evaluation leaves: AP is .1 * seed, + .02 for ours.
SCRIPT = """
import json, pathlib, sys
config, work_dir = sys.argv[1], pathlib.Path(sys.argv[3])
seed = next(int(a.split("=")[1]) for a in sys.argv if a.startswith("randomness.seed"))
ap = 0.1 * seed + (0.02 if config.endswith("ours.py") else 0)
folder = work_dir / "20260101_000000" / "vis_data"
folder.mkdir(parents=True)
lines = [{"loss": 1.0}, {"coco/bbox_mAP": 0.0, "coco/bbox_mAP_50": 0.0}]
lines += [{"coco/bbox_mAP": ap, "coco/bbox_mAP_50": 2 * ap}, {"loss": 0.5}]
(folder / "scalars.json").write_text("\\n".join(map(json.dumps, lines)))
"""
RUNS = [
    Run("stock", 0, 0.10, 0.2, 1.0, "d"),
    Run("ours", 0, 0.13, 0.2, 1.0, "d"),
    Run("ours", 1, 0.21, 0.4, 1.0, "d"),
    Run("stock", 1, 0.20, 0.4, 1.0, "d"),
]


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    return path


def test_every_seed_is_trained_on_both_sides(tiny_config, script, tmp_path):
    runs = compare(tiny_config(), script, tmp_path / "out", [1, 2])
    assert [(run.side, run.seed) for run in runs] == [
        ("stock", 1),
        ("ours", 1),
        ("stock", 2),
        ("ours", 2),
    ]
    assert [run.AP for run in runs] == pytest.approx([0.1, 0.12, 0.2, 0.22])
    assert [run.AP50 for run in runs] == pytest.approx([0.2, 0.24, 0.4, 0.44])
    assert json.loads((tmp_path / "out/ours_seed1.json").read_text())["AP"] == pytest.approx(0.12)


def test_a_finished_run_is_not_repeated(tiny_config, script, tmp_path):
    cfg, out = tiny_config(), tmp_path / "out"
    data = compare(cfg, script, out, [1])[0].data
    kept = {"side": "ours", "seed": 1, "AP": 0.9, "AP50": 0.9, "seconds": 1.0, "data": data}
    (out / "ours_seed1.json").write_text(json.dumps(kept))
    assert compare(cfg, script, out, [1])[1] == Run(**kept)


def test_results_of_another_config_are_not_mixed_in(tiny_config, script, tmp_path):
    compare(tiny_config(), script, tmp_path / "out", [1])
    with pytest.raises(UserError, match=r"stock.py is another config"):
        compare(tiny_config(**{"train_cfg.max_epochs": 7}), script, tmp_path / "out", [1])


def test_results_of_other_data_are_not_mixed_in(tiny_config, script, tmp_path, monkeypatch):
    cfg = tiny_config()
    compare(cfg, script, tmp_path / "out", [1])
    changed = "retina_plugin.analysis.benchmark.paired_runs.evaluation_data"
    monkeypatch.setattr(changed, lambda cfg, split: f"{split} (corrected)")
    with pytest.raises(UserError, match=r"stock_seed1.json is of .*, not of train \(corrected\)"):
        compare(cfg, script, tmp_path / "out", [1])


def test_a_broken_result_is_named(tiny_config, script, tmp_path):
    cfg = tiny_config()
    compare(cfg, script, tmp_path / "out", [1])
    (tmp_path / "out/ours_seed1.json").write_text("")
    with pytest.raises(UserError, match="ours_seed1.json holds no figures of a training"):
        compare(cfg, script, tmp_path / "out", [1])


@pytest.mark.parametrize("value", ['"coco/bbox_mAP_50": -1.0', '"other": 0.1'])
def test_a_training_without_its_numbers_is_an_error(tiny_config, script, tmp_path, value):
    """No objects to find, which COCO gives as -1, or metrics that were not asked for."""
    script.write_text(SCRIPT.replace('"coco/bbox_mAP_50": 2 * ap', value))
    with pytest.raises(UserError, match="stock_seed1: its evaluation gives no AP50"):
        compare(tiny_config(), script, tmp_path / "out", [1])


def test_training_that_fails_is_an_error_that_names_its_log(tiny_config, tmp_path):
    broken = tmp_path / "train.py"
    broken.write_text("raise SystemExit(3)")
    with pytest.raises(UserError, match="training of stock with seed 1 failed: see .*log.txt"):
        compare(tiny_config(), broken, tmp_path / "out", [1])


def test_command_compares_and_prints_or_says_what_is_wrong(tiny_config, script, tmp_path, capsys):
    config = tmp_path / "tiny.py"
    tiny_config().dump(config)
    arguments = {"config": str(config), "train_script": script, "seeds": [1, 1]}
    assert against_stock(**arguments, out=tmp_path / "out", cfg_options=[]) == 0
    assert "tiny, seed 1" in capsys.readouterr().out
    missing = ["train_dataloader.dataset.data_root=nowhere/"]
    assert against_stock(**arguments, out=tmp_path / "new", cfg_options=missing) == 1
    assert "error: train_dataloader.dataset.ann_file: there is no" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_difference_pairs_the_seeds():
    """Gaps .03 and .01: mean .02, standard error .01."""
    mean, error = difference(RUNS, "AP")
    assert (mean, error) == (pytest.approx(0.02), pytest.approx(0.01))
    mean, error = difference(RUNS[:2], "AP")
    assert (mean, math.isnan(error)) == (pytest.approx(0.03), True)


def test_table_shows_seeds_and_difference(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    print_table(RUNS, "two seeds")
    shown = capsys.readouterr().out
    assert "two seeds" in shown
    assert "0.130" in shown
    assert "+0.020 ± 0.010" in shown
    print_table(RUNS[:2], "one seed")
    shown = capsys.readouterr().out
    assert ("+0.030" in shown, "±" in shown) == (True, False)
