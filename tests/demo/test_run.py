import pytest
import torch

from retina_plugin.demo import run, run_demo
from retina_plugin.engine.checkpoint import point_to
from retina_plugin.errors import UserError

SHORT = [
    *(f"{split}_dataloader.dataset.indices=4" for split in ("train", "val", "test")),
    *(f"{split}_dataloader.batch_size=2" for split in ("train", "val", "test")),
    "default_hooks.logger.interval=1",
]


@pytest.mark.slow
def test_the_demo_runs_from_the_scenes_to_the_pictures(tmp_path, monkeypatch, capsys):
    """A training of few iterations: the clocks of its processes cannot be turned from here."""
    monkeypatch.setattr(run, "training_minutes", lambda *_: 0.5)
    made = run.make_scenes
    monkeypatch.setattr(run, "make_scenes", lambda folder: made(folder, train=8, val=4))
    metrics = run_demo(tmp_path, [*SHORT, "train_dataloader.num_workers=0"])
    assert "coco/bbox_mAP_50" in metrics
    assert (tmp_path / "detections.png").stat().st_size > 0
    assert "It took " in capsys.readouterr().out


@pytest.fixture
def recorded(tmp_path, monkeypatch, clock):
    """Run the demo, with its commands recorded instead of run; gives what was done."""

    def demo(**options):
        done = []

        def follow(console, title, command, log, environment=None, ends=None):
            done.append((command[1:], environment, ends))
            clock.now += 100
            (tmp_path / "train").mkdir(exist_ok=True)
            torch.save({}, tmp_path / "train/iter_30.pth")
            point_to(tmp_path / "train", str(tmp_path / "train/iter_30.pth"))

        def make_scenes(folder):
            done.append(folder)
            clock.now += 10

        monkeypatch.setattr(run, "make_scenes", make_scenes)
        monkeypatch.setattr(run, "follow", follow)
        monkeypatch.setattr(run, "show_results", lambda _, work_dir, sheet: (work_dir, sheet))
        shown = run_demo(tmp_path, ["model.bbox_head.prior_prob=0.02"], **options)
        return [*done, shown]

    return demo


def test_demo_trains_on_its_scenes_and_tests_the_last_checkpoint(recorded, tmp_path, clock):
    began, started = clock.now - 145, clock.now - 5
    done = recorded(minutes=10, began=began, started=started)
    folder, (train, patient, ends), (test, one_core, _), shown = done
    assert folder == tmp_path / "data"

    options = ["--cfg-options", f"data_root={tmp_path}/data/", "model.bbox_head.prior_prob=0.02"]
    mim = ["-m", "mim"]
    # 600 s - 145 s - 10 s for the scenes - (20 + 3 x 5) s for the evaluation
    without = ["val_dataloader=None", "val_cfg=None", "val_evaluator=None"]
    assert train == [*mim, "train", "retina_plugin", "retinanet_demo.py"] + [
        "--work-dir",
        f"{tmp_path}/train",
        *options,
        "minutes=6.83",
        *without,
    ]
    assert ends == pytest.approx(began + 155 + 410, abs=0.5)
    assert patient == {"OMP_WAIT_POLICY": "PASSIVE"}
    assert test[:5] == [*mim, "test", "retina_plugin", "retinanet_demo.py"]
    assert test[test.index("--checkpoint") + 1] == f"{tmp_path}/train/iter_30.pth"
    assert test[test.index("--work-dir") + 1] == f"{tmp_path}/test"
    assert "--show-dir" in test
    assert test[-3:] == options
    assert list(one_core) == ["OMP_NUM_THREADS"]
    assert shown == (tmp_path / "test", tmp_path / "detections.png")


def test_demo_that_has_no_time_left_says_so_and_trains_a_little(recorded, clock, capsys):
    _, (train, _, _), _, _ = recorded(minutes=10, began=clock.now - 590)
    assert "minutes=2" in train
    said = " ".join(capsys.readouterr().out.split())
    assert "10:00 of 10:00 minutes are gone" in said
    assert "It took 13:20 of 10:00 minutes." in said


def test_minutes_that_are_none_are_refused_before_anything_is_made(recorded, tmp_path):
    with pytest.raises(UserError, match="--minutes expects a number > 0, but got -3"):
        recorded(minutes=-3)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UserError, match=r"cannot write its folder .*out.*--out"):
        run_demo(tmp_path / "out", [])
