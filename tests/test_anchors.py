"""The anchor grid: values of the paper, and which anchors an image may use."""

import pytest
import torch
from mmdet.models.task_modules import AnchorGenerator
from mmdet.models.task_modules.prior_generators import anchor_inside_flags

from retina_plugin.anchors import AnchorGrid, anchors_within
from retina_plugin.errors import UserError

STRIDES = [8, 16, 32, 64, 128]


def paper_generator():
    return AnchorGenerator(
        STRIDES, ratios=[0.5, 1.0, 2.0], octave_base_scale=4, scales_per_octave=3
    )


def maps(height, width):
    """Feature maps (1, 1, Hi, Wi) of an image: every level halves, rounding up."""
    return tuple(torch.zeros(1, 1, -(-height // s), -(-width // s)) for s in STRIDES)


@pytest.mark.parametrize(("height", "width", "count"), [(600, 1000, 113_193), (800, 1344, 201_600)])
def test_number_of_anchors_is_the_papers(height, width, count):
    assert len(AnchorGrid.over(paper_generator(), maps(height, width)).flat()) == count


def test_anchor_shapes_are_the_papers():
    """Areas (32 2^(k/3))^2 .. on P3 to (512 2^(k/3))^2 on P7, three ratios, 32 to 812.75 px."""
    grid = AnchorGrid.over(paper_generator(), maps(128, 128))
    for level, size in zip(grid.levels, [32, 64, 128, 256, 512], strict=True):
        width, height = (level[:9, 2:] - level[:9, :2]).T
        expected = [(size * 2 ** (k / 3)) ** 2 for k in range(3)] * 3
        torch.testing.assert_close(width * height, torch.tensor(expected))
        torch.testing.assert_close(
            height / width, torch.tensor([0.5, 1.0, 2.0]).repeat_interleave(3)
        )
    squares = (
        grid.levels[0][3, 2] - grid.levels[0][3, 0],
        grid.levels[4][5, 2] - grid.levels[4][5, 0],
    )
    torch.testing.assert_close(torch.stack(squares), torch.tensor([32.0, 812.7493]))


def test_flat_joins_the_levels_finest_first():
    grid = AnchorGrid.over(paper_generator(), maps(64, 64))
    assert torch.equal(grid.flat()[: len(grid.levels[0])], grid.levels[0])
    assert torch.equal(grid.flat()[-9:], grid.levels[4])


@pytest.mark.parametrize("pad_shape", [(64, 96), (32, 96), (33, 65), (16, 16)])
def test_padding_flags_equal_mmdetection(pad_shape):
    generator = paper_generator()
    features = maps(64, 96)
    grid = AnchorGrid.over(generator, features)
    expected = generator.valid_flags([f.shape[-2:] for f in features], pad_shape, "cpu")
    assert torch.equal(grid.inside_padding(pad_shape), torch.cat(expected))


@pytest.mark.parametrize("border", [-1, 0, 5.0])
def test_border_flags_equal_mmdetection(border):
    anchors = AnchorGrid.over(paper_generator(), maps(96, 96)).flat()
    everywhere = torch.ones(len(anchors), dtype=torch.bool)
    expected = anchor_inside_flags(anchors, everywhere, (80, 96), border)
    assert torch.equal(anchors_within(anchors, (80, 96, 3), border), expected)


def test_usable_joins_padding_and_border_for_each_image():
    grid = AnchorGrid.over(paper_generator(), maps(96, 96))
    metas = [
        {"pad_shape": (96, 96), "img_shape": (96, 96)},
        {"pad_shape": (32, 64), "img_shape": (30, 60)},
    ]
    usable = grid.usable(metas, allowed_border=0)
    assert usable.shape == (2, len(grid.flat()))
    for flags, meta in zip(usable, metas, strict=True):
        within = anchors_within(grid.flat(), meta["img_shape"], 0)
        assert torch.equal(flags, grid.inside_padding(meta["pad_shape"]) & within)
    assert torch.equal(grid.usable(metas)[1], grid.inside_padding((32, 64)))


def test_image_that_a_border_leaves_no_anchor_is_named():
    grid = AnchorGrid.over(paper_generator(), maps(96, 96))
    metas = [
        {"pad_shape": (96, 96), "img_shape": (96, 96), "img_path": "large.png"},
        {"pad_shape": (32, 32), "img_shape": (20, 28), "img_path": "small.png"},
    ]
    with pytest.raises(UserError, match=r"=0 leaves image small.png of 28 x 20 px no anchor"):
        grid.usable(metas, allowed_border=0)
    assert grid.usable(metas)[1].any()
    assert (96, 96, 96, 96, 0) in grid._not_empty  # and is not asked for again


def test_boxes_of_mmdetections_own_type_are_the_same_anchors():
    generator = paper_generator()
    expected = AnchorGrid.over(generator, maps(64, 64)).flat()
    typed = paper_generator()
    typed.use_box_type = True
    assert torch.equal(AnchorGrid.over(typed, maps(64, 64)).flat(), expected)


def test_grid_of_a_size_is_made_once_and_fits_training_after_inference():
    generator = paper_generator()
    with torch.inference_mode():
        first = AnchorGrid.over(generator, maps(64, 96))
        first.flat()
    assert AnchorGrid.over(generator, maps(64, 96)) is first
    assert AnchorGrid.over(generator, maps(96, 64)) is not first
    assert AnchorGrid.over(paper_generator(), maps(64, 96)) is not first
    assert not any(tensor.is_inference() for tensor in (first.flat(), *first.levels))
