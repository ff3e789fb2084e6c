import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmdet.registry import DATASETS

from retina_plugin.analysis.figures.loss_distribution import Examples
from retina_plugin.analysis.figures.trained import (
    check_examples,
    curves,
    in_order,
    loss,
    resize_boxes_too,
    unit_of,
)
from retina_plugin.errors import UserError

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


def test_a_softmax_has_no_figure_4(tiny_config, tmp_path, capsys):
    cfg = tiny_config()
    cfg.model.bbox_head.loss_cls = {"type": "retina_plugin.SoftmaxFocalLoss"}
    cfg.dump(tmp_path / "softmax.py")
    (tmp_path / "iter_1.pth").touch()
    arguments = {"config": str(tmp_path / "softmax.py"), "images": 2, "cfg_options": []}
    assert loss(**arguments, checkpoints=[str(tmp_path / "iter_1.pth")], out=tmp_path / "o") == 1
    assert "figure 4 is of sigmoids" in capsys.readouterr().err


def test_checkpoints_stand_in_the_order_of_their_iterations(tmp_path):
    paths = [str(tmp_path / f"iter_{number}.pth") for number in (1000, 90, 200)]
    for path in paths:
        Path(path).touch()
    assert list(in_order(paths)) == [90, 200, 1000]
    with pytest.raises(UserError, match="are both of iteration 90"):
        in_order([*paths, paths[1]])
    with pytest.raises(UserError, match=r"there is no file .*iter_5.pth"):
        in_order([*paths, str(tmp_path / "iter_5.pth")])


def test_several_checkpoints_need_numbers(tmp_path):
    paths = [str(tmp_path / name) for name in ("latest.pth", "epoch_12.pth")]
    for path in paths:
        Path(path).touch()
    assert list(in_order(paths[:1])) == [0]
    with pytest.raises(UserError, match=r"latest.pth has no iteration in its name"):
        in_order(paths)


def test_numbers_of_checkpoints_are_iterations_or_epochs():
    assert unit_of(["a/iter_90.pth", "a/iter_9.pth"]) == "iterations"
    assert unit_of(["a/epoch_1.pth", "a/best_coco_bbox_mAP_epoch_2.pth"]) == "epochs"
    assert unit_of(["run_epochs/iter_1.pth"]) == "iterations"
    with pytest.raises(UserError, match=r"a/iter_500.pth: some are named after epochs"):
        unit_of(["a/epoch_1.pth", "a/iter_500.pth"])


def test_boxes_are_resized_with_their_images(tiny_config):
    """A test pipeline resizes the image alone: anchors of 128 px, boxes of 64."""
    cfg = tiny_config(image_scale=(128, 128))
    before, after = cfg.val_dataloader.dataset, copy.deepcopy(cfg)
    resize_boxes_too(after)
    boxes = [
        DATASETS.build(dataset)[0]["data_samples"].gt_instances.bboxes.tensor
        for dataset in (before, after.val_dataloader.dataset)
    ]
    assert len(boxes[0]) == 2
    torch.testing.assert_close(boxes[1], 2 * boxes[0])


def test_nothing_to_draw_is_said():
    with pytest.raises(UserError, match="tiny.py: .* hold no foreground; give more --images"):
        check_examples(Examples.none(), "tiny.py")


def test_what_holds_no_weights_or_cannot_be_evaluated_is_a_sentence(trained, capsys):
    torch.save([1, 2], trained / "iter_9.pth")
    (trained / "empty.py").write_text("a = 1")
    for config, path, said in (
        ("tiny.py", "iter_9.pth", "iter_9.pth holds no weights of a model"),
        ("empty.py", "iter_1.pth", "empty.py has no model"),
    ):
        arguments = {"config": str(trained / config), "images": 2, "cfg_options": []}
        assert loss(**arguments, checkpoints=[str(trained / path)], out=trained / "o") == 1
        assert said in capsys.readouterr().err
