import json

import numpy as np
import pytest
from mmdet.registry import TRANSFORMS

from retina_plugin.errors import UserError
from retina_plugin.recipe import resolve
from retina_plugin.recipe.image_scale import follow_image_scale, native_scale


def scales(pipeline):
    return [one["scale"] for one in pipeline if one["type"] == "Resize"]


def test_all_pipelines_take_the_asked_scale(load):
    cfg = load("retinanet_r50", image_scale=[500, 300])
    assert len(follow_image_scale(cfg)) == 4
    assert scales(cfg.train_dataloader.dataset.pipeline) == [(500, 300)]
    assert scales(cfg.test_dataloader.dataset.pipeline) == [(500, 300)]
    assert cfg.tta_pipeline[1]["transforms"][0][0]["scale"] == (500, 300)


def test_a_scale_set_by_hand_wins(load):
    cfg = load("retinanet_r50", image_scale=(500, 300))
    cfg.train_dataloader.dataset.pipeline[2].scale = (200, 100)
    follow_image_scale(cfg)
    assert scales(cfg.train_dataloader.dataset.pipeline) == [(200, 100)]


def test_the_written_scale_stays(load):
    assert follow_image_scale(load("retinanet_r50")) == []


def test_the_600_pixel_configs_resize_to_600(load):
    cfg = resolve(load("retinanet_r101_600"), say=None)
    assert scales(cfg.train_dataloader.dataset.pipeline) == [(1000, 600)]


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("retinanet_r50", 4),
        ("retinanet_custom", 4),
        ("ablations/mini/mini_table1b_gamma2", 1),  # the other pipelines keep sizes already
        ("compare/compare_retinanet_r18", 1),
    ],
)
def test_without_a_scale_images_keep_their_size_in_every_pipeline(load, name, count):
    cfg = load(name, image_scale=None)
    changes = follow_image_scale(cfg)
    assert len(changes) == count
    assert {change.value for change in changes} == {1.0}
    assert cfg.tta_pipeline[1]["transforms"][0][0]["scale_factor"] == 1.0
    assert "scale" not in cfg.tta_pipeline[1]["transforms"][0][0]
    assert follow_image_scale(cfg) == []


JITTER = [
    ("retinanet_r101_table2", 6),
    ("retinanet_x101_table2", 6),
    ("presets/detectron2", 6),
    ("presets/torchvision_v2", 11),
]


@pytest.mark.parametrize(("name", "count"), JITTER)
def test_scales_to_draw_from_that_do_not_follow_are_warned_of(load, name, count):
    assert follow_image_scale(load(name)) == []
    cfg = load(name, image_scale=(1000, 600))
    (warning,) = (each for each in follow_image_scale(cfg) if "WARNING" in each.reason)
    assert warning.key == "train_dataloader.dataset.pipeline: RandomChoiceResize"
    assert len(warning.value) == count
    assert cfg.train_dataloader.dataset.pipeline[2].scales == warning.value
    assert scales(cfg.val_dataloader.dataset.pipeline) == [(1000, 600)]


@pytest.mark.parametrize(("name", "_"), JITTER)
def test_without_a_scale_none_is_drawn_either(load, name, _):
    cfg = load(name, image_scale=None)
    assert not any("WARNING" in change.reason for change in follow_image_scale(cfg))
    pipeline = cfg.train_dataloader.dataset.pipeline
    resize = TRANSFORMS.build({**pipeline[2]})
    image = np.zeros((30, 50, 3), dtype=np.uint8)
    assert resize({"img": image})["img"].shape == image.shape
    assert follow_image_scale(cfg) == []


@pytest.mark.parametrize(
    ("resize", "is_kept"),
    [
        ({"type": "RandomResize", "scale": (1333, 800), "ratio_range": (0.5, 2.0)}, False),
        ({"type": "RandomResize", "scale": [(1333, 640), (1333, 800)]}, False),
        ({"type": "mmdet.RandomChoiceResize", "scales": [(1333, 800)]}, False),
        ({"type": "RandomChoiceResize", "scales": [(500, 300), (600, 400)]}, True),
    ],
)
def test_without_a_scale_what_is_drawn_by_hand_stays_with_a_warning(load, resize, is_kept):
    cfg = load("retinanet_r50", image_scale=None)
    cfg.train_dataloader.dataset.pipeline[2] = resize
    warnings = [each for each in follow_image_scale(cfg) if "WARNING" in each.reason]
    assert len(warnings) == is_kept
    kept = {"type": "Resize", "scale_factor": 1.0}
    assert cfg.train_dataloader.dataset.pipeline[2] == (resize if is_kept else kept)


def test_a_config_that_is_written_for_no_scale_keeps_the_scales_it_draws_from(load):
    cfg = load("retinanet_r101_table2", image_scale=None, recipe__image_scale=None)
    assert follow_image_scale(cfg) == []
    assert cfg.train_dataloader.dataset.pipeline[2].type == "RandomChoiceResize"


def test_one_number_is_both_sides(load):
    cfg = load("retinanet_r50", image_scale=640)
    follow_image_scale(cfg)
    assert scales(cfg.train_dataloader.dataset.pipeline) == [(640, 640)]


@pytest.mark.parametrize("scale", ["large", (640,), (640, -1), (640, None)])
def test_what_is_no_scale_is_a_sentence(load, scale):
    with pytest.raises(UserError, match=r"image_scale expects \(LONG, SHORT\) in pixels"):
        follow_image_scale(load("retinanet_r50", image_scale=scale))


def test_the_pipeline_of_a_wrapper_follows_too(load):
    """As Mosaic's, which resizes outside of the dataset that it takes images from."""
    cfg = load("retinanet_r50", image_scale=(500, 300))
    inner = cfg.train_dataloader.dataset
    resize = inner.pipeline.pop(2)
    cfg.train_dataloader.dataset = {
        "type": "MultiImageMixDataset",
        "dataset": inner,
        "pipeline": [{"type": "Mosaic", "img_scale": (500, 300)}, resize],
    }
    follow_image_scale(cfg)
    assert scales(cfg.train_dataloader.dataset.pipeline) == [(500, 300)]


def test_a_scale_that_nothing_reads_is_warned_of(load):
    cfg = load("retinanet_r50", image_scale=(500, 300), recipe__image_scale=(1, 1))
    (change,) = follow_image_scale(cfg)
    assert "WARNING" in change.reason


@pytest.fixture
def sized(load, tmp_path):
    def build(images):
        content = {"images": images, "categories": [{"name": "a"}]}
        (tmp_path / "a.json").write_text(json.dumps(content))
        return load(
            "retinanet_custom",
            train_dataloader__dataset__data_root=str(tmp_path),
            train_dataloader__dataset__ann_file="a.json",
        )

    return build


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(640, 480), (480, 640), (100, 90)], (640, 480)),
        ([(4000, 3000)], (1333, 800)),
    ],
)
def test_the_native_scale_is_the_median_up_to_the_papers(sized, sizes, expected):
    images = [{"width": width, "height": height} for width, height in sizes]
    assert native_scale(sized(images)) == expected


def test_the_native_scale_needs_every_size(sized):
    with pytest.raises(UserError, match="image_scale='auto' needs width and height of every"):
        native_scale(sized([{"width": 3}]))
