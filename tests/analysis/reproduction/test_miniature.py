"""Runs over rows and seeds, with a stand-in for the training script."""

import pytest

from retina_plugin.analysis.reproduction.miniature import miniature, schedule, snapshots
from retina_plugin.analysis.reproduction.plan import Run
from retina_plugin.analysis.reproduction.results import read

# Takes train.py's arguments; row `bad` ends as the guard ends a run, `broken` in another way.
SCRIPT = """
import json, os, pathlib, sys, time
config, work_dir = pathlib.Path(sys.argv[1]).stem, pathlib.Path(sys.argv[3])
with open("calls.txt", "a") as calls:
    print(config, *sys.argv[5:], "threads", os.environ["OMP_NUM_THREADS"], file=calls)
if config == "mini_slow":
    time.sleep(2)
if config == "mini_bad":
    print("error: iteration 3 was not finite, because of this", file=sys.stderr)
if config not in ("mini_good", "mini_slow", "mini_empty", "mini_other_metrics"):
    sys.exit(1)
folder = work_dir / "20260101_000000" / "vis_data"
folder.mkdir(parents=True)
ap = -1 if config == "mini_empty" else 0.25
lines = [{"loss_cls": 1.0, "loss_bbox": 0.5, "step": 25}]
metrics = {"coco/bbox_mAP": ap, "coco/bbox_mAP_50": 0.5, "coco/bbox_mAP_75": 0.125}
lines += [{"coco/bbox_mAP": ap} if config == "mini_other_metrics" else metrics]
(folder / "scalars.json").write_text("\\n".join(map(json.dumps, lines)))
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    folder = tmp_path / "configs" / "ablations" / "mini"
    folder.mkdir(parents=True)
    for name in ("data", "my data"):
        (tmp_path / name / "annotations").mkdir(parents=True)
        (tmp_path / name / "annotations" / "train.json").write_text("{}")
    (tmp_path / "train.py").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)

    def start(*rows, **options):
        for row in rows:
            (folder / f"mini_{row}.py").write_text(f"row = {row!r}\n")
        arguments = {"rows": [], "seeds": 1, "iterations": 90, "jobs": 1, "cfg_options": []}
        arguments |= {"out": tmp_path / "out", "work_dirs": tmp_path / "work"}
        arguments |= {"data_root": tmp_path / "data", **options}
        return miniature(
            configs=tmp_path / "configs",
            train_script=tmp_path / "train.py",
            **arguments,
        )

    return start


def calls(tmp_path):
    path = tmp_path / "calls.txt"
    return path.read_text().splitlines() if path.exists() else []


def test_what_is_done_is_not_done_again(run, tmp_path, capsys):
    assert run("good", seeds=2) == 0
    assert len(calls(tmp_path)) == 2
    assert run("good", seeds=3) == 0
    assert len(calls(tmp_path)) == 3
    assert "2 of 3 runs are done" in capsys.readouterr().out
    found = read(tmp_path / "out")
    assert [each.seed for each in found] == [0, 1, 2]
    assert found[0].metrics == {"AP": 0.25, "AP50": 0.5, "AP75": 0.125}
    assert found[0].losses == [[25, 1.0, 0.5]]
    assert found[0].data.startswith("data ")


def test_data_seed_and_schedule_reach_the_training(run, tmp_path):
    run("good", seeds=2)
    (_, second) = calls(tmp_path)
    assert f"data_root={tmp_path / 'data'}/" in second
    assert "randomness.seed=1" in second
    assert "train_cfg.max_iters=90" in second
    assert "param_scheduler.1.milestones=[60,80]" in second
    assert "default_hooks.checkpoint=None" in second


def test_an_experiment_changes_every_row_and_is_kept_apart(run, tmp_path, capsys):
    assert run("good", cfg_options=["model.depth=1"]) == 0
    assert " model.depth=1 threads " in calls(tmp_path)[0]
    assert read(tmp_path / "out")[0].options == ["model.depth=1"]
    assert run("good") == 1
    assert "with model.depth=1, not of 90 iterations" in capsys.readouterr().err


def test_runs_of_an_experiment_do_not_lie_among_those_of_another(run, tmp_path):
    for name in ("mini", "longer"):
        assert run("good", out=tmp_path / "results" / name, work_dirs=None) == 0
    found = [path.parent for path in sorted((tmp_path / "work_dirs").glob("*/good_seed0"))]
    assert [path.name for path in found] == ["longer", "mini"]


def test_jobs_at_once_share_the_processors(run, tmp_path, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert run("good", "bad", seeds=2, jobs=3) == 0
    assert len(read(tmp_path / "out")) == 4
    assert all(call.endswith("threads 2") for call in calls(tmp_path))


def test_a_run_that_diverged_is_a_result(run, tmp_path, capsys):
    assert run("bad", "good") == 0
    bad, good = read(tmp_path / "out")
    assert bad.ended == "iteration 3 was not finite, because of this"
    assert bad.metrics == {}
    assert good.metrics
    assert "bad, seed 0: iteration 3 was not finite" in capsys.readouterr().out


def test_any_other_failure_ends_with_the_log(run, tmp_path, capsys):
    assert run("broken") == 1
    error = capsys.readouterr().err
    assert error.startswith(
        "error: the training of broken_seed0 failed: it ended with 1. Its log is "
    )
    assert read(tmp_path / "out") == []


def test_runs_of_another_schedule_are_not_added_to(run, capsys):
    assert run("good") == 0
    assert run("good", iterations=180) == 1
    assert "good_seed0.json is of 90 iterations" in capsys.readouterr().err


def test_the_rate_falls_where_the_papers_does():
    assert "param_scheduler.1.milestones=[60000,80000]" in schedule(90000)


def test_weights_of_the_focal_loss_are_kept_for_the_figures():
    keeps = [
        run
        for run in (Run("table1b_gamma2", 0), Run("appendix_fl", 0, ("table1b_gamma2",)))
        if "default_hooks.checkpoint.interval=75" in snapshots(run, 450)
    ]
    assert len(keeps) == 2
    assert snapshots(Run("table1b_gamma2", 1), 450) == ["default_hooks.checkpoint=None"]
    assert snapshots(Run("other", 0), 450) == ["default_hooks.checkpoint=None"]


@pytest.mark.parametrize("name", ["seeds", "iterations", "jobs"])
def test_a_number_that_makes_no_run_is_an_error(run, name, capsys):
    assert run("good", **{name: 0}) == 1
    assert f"--{name} expects a number above 0, but got 0" in capsys.readouterr().err


def test_after_a_failure_no_run_is_begun_and_what_runs_is_kept(run, tmp_path, capsys):
    """Two at once: one fails while the other runs; two more wait."""
    assert run("broken", "slow", "zgood", jobs=2, seeds=1) == 1
    assert [line.split()[0] for line in sorted(calls(tmp_path))] == ["mini_broken", "mini_slow"]
    assert [each.row for each in read(tmp_path / "out")] == ["slow"]
    shown = capsys.readouterr()
    assert "No other run is begun, as one has failed: the training of broken_seed0" in shown.out
    assert shown.err.startswith("error: the training of broken_seed0 failed")


def test_alone_a_failure_begins_no_other_run(run, tmp_path):
    assert run("broken", seeds=3) == 1
    assert len(calls(tmp_path)) == 1


@pytest.mark.parametrize(
    "key",
    [
        *("data_root", "randomness.seed", "randomness", "train_cfg.max_iters", "train_cfg"),
        *("param_scheduler.1.milestones", "default_hooks.checkpoint.interval"),
    ],
)
def test_what_the_tool_sets_is_no_experiment(run, tmp_path, capsys, key):
    assert run("good", cfg_options=[f"{key}=1"]) == 1
    assert f"error: --cfg-options {key} cannot be set here: use --data-root" in (
        capsys.readouterr().err
    )
    assert calls(tmp_path) == []


def test_a_folder_with_a_space_is_named_as_it_is(run, tmp_path):
    assert run("good", data_root=tmp_path / "my data") == 0
    assert f"data_root={tmp_path}/my data/" in calls(tmp_path)[0]


def test_a_short_run_is_logged_and_warms_up_too():
    short = schedule(6)
    for option in ("default_hooks.logger.interval=6", "log_processor.window_size=6"):
        assert option in short
    assert "param_scheduler.0.end=1" in short
    assert "param_scheduler.0.end=150" in schedule(900)  # as the config has it
    assert "default_hooks.logger.interval=25" in schedule(900)


def test_data_without_objects_give_no_run(run, tmp_path, capsys):
    assert run("empty") == 1
    assert "there is no AP, as the validation data hold no objects" in capsys.readouterr().err
    assert read(tmp_path / "out") == []


def test_an_evaluation_with_other_metrics_gives_no_run(run, tmp_path, capsys):
    assert run("other_metrics") == 1
    assert "its evaluation lacks AP50 and AP75, which COCO's metric" in capsys.readouterr().err
    assert read(tmp_path / "out") == []


def test_a_run_under_another_name_of_its_row_is_said_before_it_is_trained_again(
    run, tmp_path, capsys
):
    assert run("good") == 0
    (tmp_path / "out" / "good_seed0.json").rename(tmp_path / "out" / "gone_seed0.json")
    text = (tmp_path / "out" / "gone_seed0.json").read_text().replace('"good"', '"gone"')
    (tmp_path / "out" / "gone_seed0.json").write_text(text)
    assert run("good") == 1
    assert "there is no row gone; remove the file" in capsys.readouterr().err
    assert len(calls(tmp_path)) == 1


def test_more_seeds_than_anyone_trains_are_a_mistake(run, capsys):
    assert run("good", seeds=10**8) == 1
    assert "--seeds expects 1000 at most" in capsys.readouterr().err


def test_a_run_that_stands_under_another_name_of_its_row_is_done(run, tmp_path, capsys):
    assert run("good") == 0
    folder = tmp_path / "configs" / "ablations" / "mini"
    (folder / "mini_alias.py").write_text((folder / "mini_good.py").read_text())
    assert run("good") == 0
    assert "1 of 1 runs are done" in capsys.readouterr().out
    assert len(calls(tmp_path)) == 1


def test_a_row_that_changed_is_not_mixed_with_its_earlier_runs(run, tmp_path, capsys):
    assert run("good") == 0
    config = tmp_path / "configs" / "ablations" / "mini" / "mini_good.py"
    config.write_text("row = 'good'\nwidth = 2\n")
    assert run(seeds=2) == 1
    said = capsys.readouterr().err
    assert "good_seed0.json was trained with other settings than its row's config has now" in said
    assert len(calls(tmp_path)) == 1
