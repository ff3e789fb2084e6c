"""The bias that gives every anchor the confidence pi."""

import pytest
import torch
from mmengine.model import NormalInit, PretrainedInit

from retina_plugin.engine.pretrained import CheckedPretrainedInit
from retina_plugin.prior import is_pretrained, prior_bias


def test_sigmoid_of_the_bias_is_pi():
    bias = prior_bias(0.01, anchors=9, num_classes=80)
    assert bias.shape == (720,)
    assert bias[0].item() == pytest.approx(-4.59512, abs=1e-5)
    torch.testing.assert_close(bias.sigmoid(), torch.full((720,), 0.01))


def test_softmax_of_the_bias_gives_all_classes_together_pi():
    scores = prior_bias(0.1, anchors=2, num_classes=3, use_sigmoid=False).view(2, 4).softmax(-1)
    torch.testing.assert_close(scores, torch.tensor([[0.1 / 3] * 3 + [0.9]] * 2))


@pytest.mark.parametrize(
    ("init_cfg", "expected"),
    [
        (None, False),
        ({"type": "Normal"}, False),
        ({"type": NormalInit}, False),
        ({"type": "Pretrained"}, True),
        ({"type": "mmengine.Pretrained"}, True),
        ({"type": PretrainedInit}, True),
        ({"type": CheckedPretrainedInit}, True),
        ([{"type": "Normal"}, {"type": "Pretrained"}], True),
    ],
)
def test_pretrained_is_found_alone_or_in_a_list(init_cfg, expected):
    assert is_pretrained(init_cfg) is expected
