"""Inference goes on past what it cannot read, and says which that was."""

import copy
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer as StockInferencer
from mmdet.apis import init_detector
from mmengine.config import Config

from retina_plugin import DetInferencer, RetinaNet
from retina_plugin.engine.inferencer import QUIET
from retina_plugin.engine.inferencer_inputs import as_image, name_of, reason_of
from retina_plugin.errors import UserError

CONFIGS = Path(__file__).parents[2] / "configs"
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


@pytest.fixture
def make(tiny_config, make_model, tmp_path):
    """Build an inferencer of the tiny detector in float32, with weights from a file."""

    def build(kind=DetInferencer, **options):
        cfg = tiny_config(**options)
        cfg.model.dtype = "float32"
        torch.manual_seed(0)
        weights = make_model(copy.deepcopy(cfg.model)).state_dict()
        meta = {"dataset_meta": {"classes": ("dark", "light"), "palette": "random"}}
        torch.save({"state_dict": weights, "meta": meta}, tmp_path / "m.pth")
        weights = str(tmp_path / "m.pth")
        return kind(cfg, weights, device="cpu", palette="coco", **QUIET)

    return build


@pytest.fixture
def folder(tmp_path):
    """Three images, one of them in a bad way, and a note."""
    root = tmp_path / "folder"
    root.mkdir()
    for name in ("b.PNG", "c.png"):
        (root / name).write_bytes(cv2.imencode(".png", PIXELS)[1].tobytes())
    (root / "a.jpg").write_text("hello")
    (root / "note.txt").write_text("hello")
    return root


def test_good_inputs_give_what_mmdetection_gives(make, folder):
    paths = [str(folder / "b.PNG"), str(folder / "c.png"), PIXELS]
    expected, got = make(StockInferencer)(paths, batch_size=2), make()(paths, batch_size=2)
    assert got["predictions"] == expected["predictions"]
    assert got["inputs"] == [*paths[:2], "input 2"]
    assert got["errors"] == []
    assert got["visualization"] == []


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_a_bad_file_is_one_error_in_its_place(make, folder, batch_size, logged):
    results = make()(folder, batch_size=batch_size)
    names = [str(folder / name) for name in ("a.jpg", "b.PNG", "c.png")]
    assert results["inputs"] == names
    assert [prediction is None for prediction in results["predictions"]] == [True, False, False]
    (error,) = results["errors"]
    assert (error["index"], error["input"]) == (0, names[0])
    assert error["error"].startswith(f"{names[0]}: OpenCV cannot decode it")
    assert logged.text.count("a.jpg is left out") == 1
    assert "1 of 4 files of the folder" in logged.text


def test_drawings_keep_their_place_too(make, folder, tmp_path):
    out = tmp_path / "out"
    results = make()(str(folder), return_vis=True, out_dir=str(out), no_save_pred=False)
    assert results["visualization"][0] is None
    assert results["visualization"][1].shape == (40, 60, 3)
    assert sorted(path.name for path in (out / "vis").iterdir()) == ["b.PNG", "c.png"]
    assert len(list((out / "preds").iterdir())) == 2


def test_nothing_but_bad_inputs_is_an_error(make, tmp_path):
    inferencer = make()
    (tmp_path / "only").mkdir()
    (tmp_path / "only/note.txt").write_text("hello")
    with pytest.raises(UserError, match=r"No input .*\(1 given\): gone.jpg: no such file"):
        inferencer("gone.jpg")
    with pytest.raises(UserError, match="batch_size to be 1 or more, not 0"):
        inferencer([PIXELS], batch_size=0)
    with pytest.raises(UserError, match="holds no image: 1 of 1 files end"):
        inferencer(str(tmp_path / "only"))
    assert inferencer([])["predictions"] == []


def test_inputs_of_every_sort(make, folder):
    sorts = [
        folder / "c.png",
        {"img_path": str(folder / "gone.png")},
        {"img": PIXELS[..., 0]},
        None,
    ]
    results = make()(sorts, batch_size=4)
    assert [prediction is None for prediction in results["predictions"]] == [False, True] * 2
    assert results["inputs"][0] == str(folder / "c.png")
    assert "gone.png: no such file" in results["errors"][0]["error"]
    assert "not NoneType" in results["errors"][1]["error"]


def test_a_config_without_visualizer_works(make, tiny_config):
    inferencer = make(visualizer=None)
    assert inferencer.visualizer is None
    assert len(inferencer(PIXELS)["predictions"]) == 1


@pytest.mark.filterwarnings("ignore:.*([Cc]heckpoint|weights) is:UserWarning")
def test_a_config_as_it_is_shipped_gives_the_fast_detector():
    cfg = Config.fromfile(CONFIGS / "retinanet_r18.py")
    cfg.model.backbone.init_cfg = None
    inferencer = DetInferencer(cfg, device="cpu", palette="coco", **QUIET)
    assert type(inferencer.model) is RetinaNet
    assert inferencer.model.dtype == "auto"


def test_a_config_that_training_has_not_filled_in_is_an_error():
    with pytest.raises(UserError, match="num_classes open, .* wrote into its work dir"):
        DetInferencer(str(CONFIGS / "retinanet_custom.py"), device="cpu")
    cfg = Config.fromfile(CONFIGS / "retinanet_r18.py")
    cfg.model.bbox_head.loss_cls.alpha = {"inverse_frequency": 0.25}
    with pytest.raises(UserError, match="loss_cls.alpha open, .* wrote into its work dir"):
        DetInferencer(cfg, device="cpu")


@pytest.mark.filterwarnings("ignore:.*([Cc]heckpoint|weights) is:UserWarning")
def test_images_are_resized_to_the_scale_that_the_config_names():
    """The 600 px config inherits transforms of 800 px, which training moves."""
    cfg = Config.fromfile(CONFIGS / "retinanet_r50_600.py")
    cfg.model.backbone.init_cfg = None
    inferencer = DetInferencer(cfg, device="cpu", palette="coco", **QUIET)
    (resize,) = (each for each in inferencer.pipeline.transforms if hasattr(each, "scale"))
    assert resize.scale == (1000, 600)


def test_weights_that_are_not_a_number_are_said(make, folder, logged):
    inferencer = make()
    torch.nn.init.constant_(inferencer.model.bbox_head.retina_reg.weight, math.nan)
    (prediction,) = inferencer(str(folder / "c.png"))["predictions"]
    assert prediction["scores"] == []
    assert "c.png are not finite and were dropped" in logged.text


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (PIXELS, PIXELS),
        (PIXELS[..., 0], PIXELS[..., :1].repeat(3, 2)),
        (PIXELS[..., :1], PIXELS[..., :1].repeat(3, 2)),
        (np.concatenate([PIXELS, PIXELS[..., :1]], 2), PIXELS),
        (PIXELS.astype(np.int64), PIXELS),
        (PIXELS.astype(np.uint16) * 256 + 9, PIXELS),
        (PIXELS.astype(np.float64), PIXELS.astype(np.float32)),
        (PIXELS.astype(np.float16), PIXELS.astype(np.float32)),
    ],
)
def test_arrays_become_images(pixels, expected):
    got = as_image(pixels)
    assert np.array_equal(got, expected)
    assert got.dtype == expected.dtype


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((0, 0)), "has no pixel"),
        (np.zeros((3, 40, 60)), r"has the shape \(3, 40, 60\)"),
        (np.zeros(5), "has the shape"),
        (np.full((4, 4), np.nan), "NaN or infinity"),
        (np.full((4, 4), np.inf, np.float32), "NaN or infinity"),
        (np.zeros((4, 4), bool), "not bool"),
        (np.zeros((4, 4), object), "not object"),
        (np.full((4, 4), -1), "lie in -1..-1"),
    ],
)
def test_arrays_that_are_no_image_are_refused(pixels, words):
    with pytest.raises(UserError, match=words):
        as_image(pixels)


def test_an_array_that_looks_scaled_to_1_is_said(logged):
    as_image(np.full((4, 4), 0.5))
    assert "values end at 0.5" in logged.text


def test_names_and_reasons():
    assert name_of({"img_path": "a.jpg"}, 3) == "a.jpg"
    assert name_of({"img": PIXELS}, 3) == name_of(PIXELS, 3) == "input 3"
    with pytest.raises(cv2.error) as failed:
        cv2.imdecode(np.zeros(0, np.uint8), cv2.IMREAD_COLOR)
    assert reason_of(failed.value) == "the file is empty"
    with pytest.raises(cv2.error) as failed:
        cv2.resize(PIXELS, (4, 0))
    assert "so thin" in reason_of(failed.value)
    with pytest.raises(cv2.error) as failed:
        cv2.cvtColor(PIXELS[..., 0], cv2.COLOR_BGR2GRAY)
    assert reason_of(failed.value).startswith("OpenCV failed in ")
    assert reason_of(KeyError("img")) == "KeyError: 'img'"


def test_weights_that_do_not_fit_are_an_error(make, tiny_config, tmp_path):
    weights = make().model.state_dict()
    weights["neck.lateral_convs.0.conv.weight"] = torch.zeros(3, 3, 1, 1)
    torch.save({"state_dict": weights}, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"DetInferencer was given does not fit .*neck.lateral"):
        DetInferencer(tiny_config(), str(tmp_path / "other.pth"), **QUIET)


def test_neither_does_init_detector_go_on_with_random_weights(make, tiny_config, tmp_path):
    weights = make().model.state_dict()
    detector = init_detector(tiny_config(), str(tmp_path / "m.pth"), device="cpu")
    assert torch.equal(
        detector.state_dict()["bbox_head.retina_cls.bias"], weights["bbox_head.retina_cls.bias"]
    )
    del weights["bbox_head.retina_cls.bias"]
    torch.save({"state_dict": weights}, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"other.pth does not fit .*retina_cls.bias is missing"):
        init_detector(tiny_config(), str(tmp_path / "other.pth"), device="cpu")
