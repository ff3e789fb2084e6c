import pytest
import torch

from retina_plugin.engine.level_losses import losses_of_levels


@pytest.fixture
def head_and_features(tiny_config, make_model):
    model = make_model(tiny_config().model)
    sizes = [8, 4, 2, 1, 1]
    return model.bbox_head, tuple(torch.randn(2, 16, size, size) for size in sizes)


BOXES = ([[5, 5, 40, 44]], [1]), ([[0, 0, 64, 64], [10, 12, 20, 30]], [0, 1])


@pytest.mark.parametrize("boxes", [BOXES, (((), ()), BOXES[1]), (((), ()), ((), ()))])
def test_they_add_up_to_the_losses_of_the_head(head_and_features, make_sample, boxes):
    head, x = head_and_features
    samples = [make_sample(*each) for each in boxes]
    levels = losses_of_levels(head, x, samples)
    total = head.loss(x, samples)
    for name in ("loss_cls", "loss_bbox"):
        summed = sum(getattr(level, name) for level in levels)
        assert summed == pytest.approx(total[name].item(), rel=1e-5)


def test_positives_are_those_of_the_image_and_the_level(head_and_features, make_sample):
    head, x = head_and_features
    levels = losses_of_levels(head, x, [make_sample([[16, 16, 48, 48]], [0]), make_sample()])
    assert levels[0].positives[0] > 0  # its anchors are 32 px and more
    assert all(level.positives == [0, 0] for level in levels[2:])


def test_the_largest_logit_is_that_of_its_level(head_and_features, make_sample):
    head, x = head_and_features
    x[2].mul_(1e4)
    levels = losses_of_levels(head, x, [make_sample(), make_sample()])
    largest = max(levels, key=lambda level: level.largest_logit)
    assert largest.stride == 32
