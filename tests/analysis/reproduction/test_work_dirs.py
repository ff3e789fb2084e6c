import json
from pathlib import Path

import pytest
from mmengine.config import Config

from retina_plugin.analysis.reproduction.work_dirs import (
    LeftOut,
    read_work_dir,
    read_work_dirs,
)
from retina_plugin.errors import UserError
from retina_plugin.recipe import resolve

ABLATIONS = Path(__file__).parents[3] / "configs" / "ablations"
ROW = "table1b_gamma2"
CONFIG = ABLATIONS / f"{ROW}.py"
ROWS = {path.stem: path for path in ABLATIONS.glob("*.py")}
GROUPS = [["appendix_fl", ROW], *([row] for row in ROWS if row not in ("appendix_fl", ROW))]
METRICS = {"AP": 0.34, "AP50": 0.5, "AP75": 0.3}


@pytest.fixture
def work_dir(tmp_path):
    """Makes a work dir as a training leaves it."""

    def make(
        name=ROW,
        ap=0.34,
        until=90000,
        world_size=8,
        gpus=None,
        stamp="1",
        seed=None,
        reports=(),
        without=(),
        **changes,
    ):
        folder = tmp_path / name
        logs = folder / stamp / "vis_data"
        logs.mkdir(parents=True)
        cfg = Config.fromfile(ABLATIONS / f"{name.partition('_seed')[0]}.py")
        cfg.merge_from_dict({key.replace("__", "."): value for key, value in changes.items()})
        resolve(cfg, world_size, say=None).dump(logs / "config.py")
        drawn = "" if seed is None else f"    seed: {seed}\n"
        (logs.parent / "1.log").write_text(f"{drawn}    GPU number: {gpus or world_size}\n")
        lines = [{"loss": 1.0, "loss_cls": 0.6, "loss_bbox": 0.4, "step": until}] if until else []
        names = {"": ap, "_50": 0.5, "_75": 0.3}
        metrics = {f"coco/bbox_mAP{key}": names[key] for key in names if key not in without}
        lines += [{**metrics, "step": 0}] if ap is not None else []
        (logs / "scalars.json").write_text("\n".join(map(json.dumps, lines)))
        for report in reports:
            (logs.parent / f"not_finite_iter_{report}").mkdir()
        return folder

    return make


def test_a_run_that_went_to_its_end_counts(work_dir):
    found = read_work_dir(ROW, work_dir("table1b_gamma2_seed3"), CONFIG)
    assert (found.row, found.seed, found.iterations) == (ROW, 3, 90000)
    assert found.metrics == METRICS
    assert found.data == (
        "instances_val2017.json (not there), trained on instances_train2017.json (not there)"
    )


def test_another_number_of_gpus_is_the_same_experiment(work_dir):
    folder = work_dir(until=360000, world_size=2)
    assert read_work_dir(ROW, folder, CONFIG).iterations == 360000


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"until": 40000, "ap": None}, "is unfinished: 40,000 of 90,000 iterations"),
        ({"until": 40000, "ap": 0.2}, "is unfinished"),  # evaluated on its way
        ({"until": 90000, "ap": None}, "is unfinished"),  # not evaluated
        ({"model__backbone__depth": 18}, "another experiment: model.backbone.depth is 18, the row"),
        ({"model__bbox_head__loss_cls__gamma": 1.0}, "gamma is 1.0, the row's 2.0"),
        ({"optim_wrapper__optimizer__lr": 0.0001}, "optimizer.lr of an image is"),
        ({"image_scale": (1333, 800)}, "pipeline.2.scale.0 is 1333, the row's 1000"),
        ({"train_cfg__max_iters": 9000}, "images is 144000, the row's 1440000"),
        ({"auto_scale_lr__enable": False, "gpus": 1}, "saw 2 images a step, but its schedule is"),
        ({"param_scheduler__1__milestones": [30000]}, "schedule.1.milestones.0 is 0.333, the row"),
        ({"load_from": "detector.pth"}, "load_from is 'detector.pth', the row's None"),
        ({"train_dataloader__dataset__indices": 1000}, "training data.indices is 1000, the row's"),
        ({"val_evaluator__iou_thrs": [0.5]}, "evaluator.iou_thrs is [0.5], the row's None"),
        ({"without": ("_50", "_75")}, "lacks AP50 and AP75"),
    ],
)
def test_what_is_no_run_of_the_row_is_left_out_with_its_reason(work_dir, made, words):
    found = read_work_dir(ROW, work_dir(**made), CONFIG)
    assert isinstance(found, LeftOut)
    assert words in found.reason


@pytest.mark.parametrize(
    "made",
    [
        {"fast": False},  # another runtime
        {"model__backbone__init_cfg__checkpoint": "r50.pth"},  # downloaded before
        {"optim_wrapper__accumulative_counts": 1},
        {"load_from": "iter_4000.pth", "resume": True},  # of itself
        {"data_root": "elsewhere/coco/"},
        {"world_size": 1, "until": 720000, "optim_wrapper__accumulative_counts": 8},
    ],
)
def test_what_changes_no_number_is_the_same_experiment(work_dir, made):
    assert read_work_dir(ROW, work_dir(**made), CONFIG).metrics == METRICS


def test_a_test_in_the_same_folder_changes_nothing(work_dir):
    work_dir()
    folder = work_dir(stamp="2", until=0, ap=0.1, world_size=1)
    assert read_work_dir(ROW, folder, CONFIG).metrics == METRICS


def test_a_folder_without_log_was_never_started(tmp_path):
    found = read_work_dir(ROW, tmp_path, CONFIG)
    assert "holds no log of a training" in found.reason


@pytest.mark.parametrize(
    "reports", [("120", "90"), ("120_rank_0", "90_rank_0"), ("90_rank_1", "120_rank_3")]
)
def test_a_run_that_diverged_is_a_result(work_dir, reports):
    """On several GPUs the reports have the process in their names."""
    found = read_work_dir(ROW, work_dir(until=100, ap=None, reports=reports), CONFIG)
    assert (found.ended, found.metrics) == ("iteration 120 was not finite", {})


def test_a_run_that_diverged_before_it_had_logged_a_loss_is_one_too(work_dir):
    """Also beside an earlier training, which does not count then."""
    work_dir(until=40000, ap=None)
    folder = work_dir(stamp="2", until=0, ap=None, reports=["3_rank_0"], world_size=8)
    found = read_work_dir(ROW, folder, CONFIG)
    assert (found.ended, found.losses) == ("iteration 3 was not finite", [])
    (folder / "2" / "vis_data" / "scalars.json").unlink()
    assert read_work_dir(ROW, folder, CONFIG).ended == "iteration 3 was not finite"


def test_a_run_that_left_batches_out_and_went_on_did_not_diverge(work_dir):
    found = read_work_dir(ROW, work_dir(reports=["120"]), CONFIG)
    assert (found.ended, found.metrics) == ("", METRICS)
    folder = work_dir(stamp="2", until=40000, ap=None, reports=["120"])
    assert "is unfinished: 40,000 of 90,000" in read_work_dir(ROW, folder, CONFIG).reason


def test_only_folders_that_are_named_as_rows_are_read(work_dir, tmp_path):
    work_dir()
    work_dir("table1b_gamma1_seed0", until=10, ap=None)
    (tmp_path / "notes").mkdir()
    found, left_out = read_work_dirs(tmp_path, ROWS, GROUPS)
    assert [each.row for each in found] == [ROW]
    assert [each.row for each in left_out] == ["table1b_gamma1"]
    assert read_work_dirs(tmp_path / "gone", ROWS, GROUPS) == ([], [])


@pytest.mark.parametrize("split", ["train", "val"])
def test_rows_of_different_data_are_not_compared(work_dir, tmp_path, split):
    work_dir()
    work_dir(
        "table1b_gamma1", **{f"{split}_dataloader__dataset__ann_file": "annotations/mine.json"}
    )
    with pytest.raises(UserError, match=r"evaluated on .* rows of different data are not compared"):
        read_work_dirs(tmp_path, ROWS, GROUPS)


def test_a_folder_that_cannot_be_read_does_not_hide_the_others(work_dir, tmp_path):
    work_dir()
    (work_dir("table1b_gamma1") / "1/vis_data/scalars.json").write_text('{"loss": 1}\n[]\n{}\n')
    for row, text in (
        ("table1b_gamma5", "1 / 0"),
        ("table1b_gamma0p5", ""),
        ("table1b_gamma0", "("),
    ):
        (work_dir(row) / "1/vis_data/config.py").write_text(text)
    found, left_out = read_work_dirs(tmp_path, ROWS, GROUPS)
    assert [each.row for each in found] == [ROW]
    reasons = {each.row: each.reason for each in left_out}
    assert len(reasons) == 4
    assert "line 2 is no JSON object" in reasons["table1b_gamma1"]
    assert "ZeroDivisionError" in reasons["table1b_gamma5"]
    assert all("cannot be read" in reason for reason in reasons.values())


@pytest.mark.parametrize("ap", [float("nan"), -1.0, 34.0])
def test_an_ap_that_is_none_is_left_out(work_dir, ap):
    found = read_work_dir(ROW, work_dir(ap=ap), CONFIG)
    assert isinstance(found, LeftOut)
    assert "has AP" in found.reason


def test_one_seed_does_not_count_twice(work_dir, tmp_path):
    """By the name of the folder, or by the config where that chose it."""
    for name in (ROW, f"{ROW}_seed0"):
        work_dir(name)
    for name in (f"{ROW}_seed1", f"{ROW}_seed2", "appendix_fl_seed3"):
        work_dir(name, randomness__seed=7)
    found, left_out = read_work_dirs(tmp_path, ROWS, GROUPS)
    assert [(each.row, each.seed) for each in found] == [("appendix_fl", 7), (ROW, 0)]
    assert [each.row for each in left_out] == [ROW] * 3
    assert all("as" in each.reason and "trains the same" in each.reason for each in left_out)


def test_trainings_of_a_seed_by_chance_are_runs_of_their_own(work_dir, tmp_path):
    """Of two rows that train the same, without numbers in their names; and a copy of one."""
    for name, seed in ((ROW, 1234), ("appendix_fl", 99), (f"{ROW}_seed0", 5), (f"{ROW}_seed9", 5)):
        work_dir(name, seed=seed)
    found, left_out = read_work_dirs(tmp_path, ROWS, GROUPS)
    assert [(each.row, each.seed) for each in found] == [("appendix_fl", 0), (ROW, 1), (ROW, 2)]
    (copy,) = left_out
    assert f"{ROW}_seed9 is of seed 5, as" in copy.reason
