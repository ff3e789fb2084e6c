import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.dataset import pseudo_collate

from retina_plugin import processor
from retina_plugin.analysis.comparison import compare, comparison, measured
from retina_plugin.analysis.comparison.budget import Trained, precision_of
from retina_plugin.analysis.comparison.candidates import candidates
from retina_plugin.analysis.comparison.measured import built
from retina_plugin.errors import UserError

CONFIGS = Path(__file__).parents[3] / "configs"
ALONE = {"data_root": None, "cfg_options": []}
TINY = [
    *("train_dataloader.num_workers=0", "train_dataloader.persistent_workers=False"),
    *("val_dataloader.num_workers=0", "val_dataloader.persistent_workers=False"),
]


@pytest.fixture
def run(coco_folder, tmp_path):
    def start(*models, **options):
        arguments = {
            "models": list(models),
            "data_root": coco_folder,
            "recipe": None,
            "minutes": None,
            "amp": False,
            "published": None,
            "images": 2,
            "repeats": 2,
            "device": "cpu",
            "out": tmp_path / "out",
            "cfg_options": [*TINY, f"visualizer.name={tmp_path.name}"],
            "configs": CONFIGS,
            "train_script": CONFIGS.parent / "tools" / "train.py",
        }
        return compare(**{**arguments, **options})

    return start


@pytest.fixture
def tiny(tiny_config, tmp_path):
    """A config of a model alone, and weights of it."""
    cfg = tiny_config()
    torch.save(built(cfg, None, "cpu").state_dict(), tmp_path / "weights.pth")
    cfg.dump(tmp_path / "tiny.py")
    return tmp_path / "tiny.py", tmp_path / "weights.pth"


def rows(tmp_path):
    return json.loads((tmp_path / "out" / "comparison.json").read_text())


def test_ours_and_the_zoos_stand_in_one_table(run, tiny, tmp_path, capsys):
    config, weights = tiny
    zoo = "mmdet::yolo/yolov3_mobilenetv2_8xb24-320-300e_coco.py"
    assert run(f"{config}={weights}", zoo, published=[]) == 0
    ours, yolo, metafile, *paper = rows(tmp_path)
    assert (ours["source"], ours["data"]) == ("measured", yolo["data"])
    assert 0 <= ours["metrics"]["AP"] <= 100
    assert yolo["metrics"] == {}
    assert "random weights" in yolo["note"]
    assert (metafile["source"], metafile["metrics"]) == ("metafile", {"AP": 22.2})
    assert {row["source"] for row in paper} == {"published"}
    assert len(paper) == 22
    shown = capsys.readouterr().out
    assert "Measured here: coco" in shown
    for kind in ("md", "html"):
        assert "yolov3" in (tmp_path / "out" / f"comparison.{kind}").read_text()
    assert (tmp_path / "out" / "figure2_speed.png").exists()


def test_a_model_that_cannot_run_here_does_not_stop_the_others(run, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(comparison, "predict", fails_for("YOLOV3"))
    zoo = "mmdet::yolo/yolov3_mobilenetv2_8xb24-320-300e_coco.py"
    assert run(str(tiny[0]), zoo) == 0
    ours, yolo, _ = rows(tmp_path)
    assert ours["milliseconds"] > 0
    assert "cannot be measured: RuntimeError: no such operator" in yolo["note"]
    assert yolo["milliseconds"] is None


def test_a_training_or_evaluation_that_fails_does_not_stop_the_others(
    run, tiny, tmp_path, monkeypatch, capsys
):
    """It is said at once, and in its row; what costs nothing but time is still measured."""
    config, weights = tiny
    zoo = "mmdet::yolo/yolov3_mobilenetv2_8xb24-320-300e_coco.py"
    done = Trained("yolo", "", 1, 9, 60.0, 4, "float32", "", {"AP": 0.3}, "", "")

    def train(name, *_):
        if name == "tiny":
            raise UserError("the training of tiny failed: no such operator.")
        return done

    monkeypatch.setattr(comparison, "trained", train)
    monkeypatch.setattr(comparison, "evaluated", fails_for("Config"))
    assert run(str(config), f"{config}={weights}", zoo, minutes=1) == 0
    trained, evaluated, yolo, _ = rows(tmp_path)
    assert "failed: the training of tiny failed: no such operator;" in trained["note"]
    assert trained["milliseconds"] > 0
    assert evaluated["note"].startswith("failed: ")
    assert (evaluated["metrics"], yolo["metrics"]) == ({}, {"AP": 30.0})
    assert "tiny failed, the others go on: the training of" in capsys.readouterr().out


def fails_for(name):
    def predict(model, _):
        if type(model).__name__ == name:
            raise RuntimeError("no such operator")

    return predict


def test_the_papers_rows_are_published_and_stand_there_once():
    named = candidates([str(CONFIGS / "ablations" / "table1e_r50_400.py")])
    found = comparison.other_rows(named, SimpleNamespace(published=[], configs=CONFIGS))
    assert [row.source for row in found if row.model == "table1e_r50_400"] == ["published"]
    assert len(found) == 22


@pytest.mark.parametrize("how", [{"minutes": 1}, {"weights": True}])
def test_a_second_stage_alone_is_not_trained_or_evaluated(run, tiny, capsys, how):
    weights = f"={tiny[1]}" if how.pop("weights", False) else ""
    assert run(f"mmdet::fast_rcnn/fast-rcnn_r50_fpn_1x_coco.py{weights}", **how) == 1
    assert "has no proposal network" in capsys.readouterr().err


def test_a_recipe_that_reads_other_data_is_refused(run, tiny, tmp_path, capsys, coco_folder):
    recipe = tmp_path / "recipe.py"
    recipe.write_text(f"_base_ = {str(tiny[0])!r}\nrecipe = dict(_delete_=True)\n")
    other = tmp_path / "other"
    shutil.copytree(coco_folder, other)
    assert run(str(tiny[0]), recipe=recipe, data_root=other) == 1
    assert "which does not lie in --data-root" in capsys.readouterr().err


def test_a_recipe_needs_data(run, tiny, capsys):
    assert run(str(tiny[0]), recipe=CONFIGS / "_base_" / "models" / "r18.py", cfg_options=[]) == 1
    assert "r18.py has no train_dataloader" in capsys.readouterr().err


def test_two_checkpoints_are_evaluated_on_their_own_data(run, tiny, tmp_path):
    config, weights = tiny
    weights.with_name("late.pth").write_bytes(weights.read_bytes())
    both = [f"{config}={weights}", f"{config}={weights.with_name('late.pth')}"]
    assert run(*both, data_root=None, cfg_options=[]) == 0
    early, late = rows(tmp_path)
    assert (early["model"], late["model"]) == ("tiny (weights)", "tiny (late)")
    assert early["metrics"] == late["metrics"] != {}
    assert early["data"].startswith("val.json (")


def test_without_data_a_model_is_still_measured(run, tmp_path):
    zoo = "mmdet::yolo/yolov3_mobilenetv2_8xb24-320-300e_coco.py"
    assert run(zoo, data_root=None, cfg_options=[]) == 0
    measured, _ = rows(tmp_path)
    assert measured["data"] == "noise, 640 x 480"
    assert "input 320 x 240" in measured["note"]
    assert 3_000_000 < measured["parameters"] < 4_000_000


@pytest.mark.parametrize(
    ("models", "options", "words"),
    [
        (["gone.py"], {}, "there is no config gone.py"),
        ([CONFIGS / "retinanet_r18.py"], {"device": "cuda"}, "PyTorch finds no GPU here"),
        ([CONFIGS / "retinanet_r18.py"], {"minutes": 1, "data_root": None}, "Give --data-root"),
        ([CONFIGS / "retinanet_custom.py"], {"data_root": None}, "give --data-root"),
        ([CONFIGS / "retinanet_r18.py"], {"minutes": -1.0}, "--minutes expects a number above 0"),
        ([CONFIGS / "retinanet_r18.py"], {"images": 0}, "--images expects a number above 0"),
        ([CONFIGS / "retinanet_r18.py"], {"repeats": 0}, "--repeats expects a number above 0"),
        ([CONFIGS / "_base_" / "default_runtime.py"], ALONE, "has no model"),
        ([CONFIGS / "_base_" / "models" / "r18.py"], ALONE, "has no test_dataloader"),
        ([CONFIGS / "retinanet_r18.py"], {"published": [Path("gone.yml")]}, "gone.yml is expected"),
    ],
)
def test_a_mistake_is_one_sentence(run, capsys, models, options, words):
    assert run(*map(str, models), **options) == 1
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1


def test_data_without_images_are_said(run, tiny, coco_folder, tmp_path, capsys):
    shutil.copytree(coco_folder, tmp_path / "empty")
    file = tmp_path / "empty" / "annotations" / "val.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "images": [], "annotations": []}))
    assert run(str(tiny[0]), data_root=tmp_path / "empty") == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert error.endswith("val.json lists no images, which the COCO format requires.")


def test_weights_of_another_architecture_are_said_before_anything_is_done(
    run, tiny, tmp_path, capsys
):
    _, weights = tiny
    assert run(f"{CONFIGS / 'retinanet_r18.py'}={weights}") == 1
    assert "does not fit the model of the config" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("by_processor", ["bfloat16", "float32"])
def test_amp_is_for_the_zoos_models_too(by_processor, run, tiny, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        processor, "computes_in_bfloat16", lambda device_type: by_processor == "bfloat16"
    )

    def look(name, cfg, *_):
        seen[name] = precision_of(cfg)
        raise UserError("that is enough")

    monkeypatch.setattr(comparison, "trained", look)
    zoo = "mmdet::yolo/yolov3_mobilenetv2_8xb24-320-300e_coco.py"
    for amp, expected in ((True, by_processor), (False, "float32")):
        seen.clear()
        assert run(str(tiny[0]), zoo, minutes=1, amp=amp) == 0
        assert seen == {"tiny": by_processor, Path(zoo).stem: expected}


def test_each_remark_is_said_once(run, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(measured, "wants_proposals", lambda _: True)
    monkeypatch.setattr(measured, "_batch", lambda _, sample: pseudo_collate([sample]))
    assert run(str(tiny[0])) == 0
    remarks = rows(tmp_path)[0]["note"].split("; ")
    assert "1000 random proposals" in remarks
    assert len(remarks) == len(set(remarks)) == 3


@pytest.mark.slow
def test_a_model_is_trained_then_evaluated_and_measured(run, tiny, tmp_path):
    assert run(str(tiny[0]), minutes=0.02) == 0
    (row,) = rows(tmp_path)
    assert re.search(r"trained 0 min: \d+ iterations of 4 images in ", row["note"])
    assert row["metrics"].keys() >= {"AP", "AP50"}
    assert row["milliseconds"] > 0


def test_percent_keeps_the_digits_of_cocos_numbers_and_its_minus_one():
    assert comparison.percent({"AP": 0.468, "APL": -1}) == {"AP": 46.8, "APL": -1}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"amp": True}, "--amp is of trainings, and none is asked for: give --minutes"),
        ({"recipe": Path("gone.py"), "data_root": None}, "--recipe is for common data"),
        ({"cfg_options": ["model.bbox_head.loss_cls.gamma=5"]}, "model.bbox_head.loss_cls.gamma c"),
        ({"cfg_options": ["test_dataloader.batch_size=7"]}, "test_dataloader.batch_size cannot be"),
        ({"cfg_options": ["fast=False"]}, "--cfg-options fast cannot be set here"),
        ({"cfg_options": ["train_cfg.max_iters=3"], "minutes": 1}, "train_cfg.max_iters cannot be"),
    ],
)
def test_what_would_have_no_effect_is_said(run, tiny, capsys, options, said):
    assert run(str(tiny[0]), **options) == 1
    assert said in capsys.readouterr().err


def test_an_out_that_is_a_file_is_said_before_anything_is_done(run, tiny, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert run(str(tiny[0]), out=tmp_path / "file") == 1
    assert "--out expects a folder" in capsys.readouterr().err


def test_data_that_an_option_names_are_looked_for(run, tiny, capsys, tmp_path):
    options = ["data_root=gone/"]
    arguments = {**ALONE, "cfg_options": options}
    assert run(str(CONFIGS / "retinanet_r18.py"), **arguments) == 1
    assert "gone/" in capsys.readouterr().err
