import pytest
from mmdet.registry import MODELS

from retina_plugin.recipe.backbone import PRETRAINED, fit_backbone


def test_a_shipped_config_needs_no_fitting(load):
    for name in ("retinanet_r50", "retinanet_r101", "retinanet_r18", "retinanet_x101"):
        assert fit_backbone(load(name)) == []


@pytest.mark.parametrize(
    ("depth", "channels"), [(18, [64, 128, 256, 512]), (152, [256, 512, 1024, 2048])]
)
def test_neck_and_weights_follow_the_depth(load, depth, channels):
    cfg = load("retinanet_r50", model__backbone__depth=depth)
    fit_backbone(cfg)
    assert cfg.model.neck.in_channels == channels
    assert cfg.model.backbone.init_cfg.checkpoint == PRETRAINED[depth]


def test_the_first_of_several_necks_follows_and_other_forms_are_left_alone(load):
    """As Libra R-CNN's, and those of YOLOF and CenterNet, whose in_channels is a number."""
    cfg = load("retinanet_r50", model__backbone__depth=18)
    cfg.model.neck = [cfg.model.neck, {"type": "BFP", "in_channels": 256}]
    keys = [change.key for change in fit_backbone(cfg)]
    assert keys == ["model.neck.0.in_channels", "model.backbone.init_cfg.checkpoint"]
    assert cfg.model.neck[0].in_channels == [64, 128, 256, 512]
    for neck in ({"type": "DilatedEncoder", "in_channels": 2048}, {"type": "SSH"}, [], None):
        cfg.model.neck = neck
        assert fit_backbone(cfg) == []


def test_the_neck_follows_a_narrower_backbone(load):
    cfg = load("retinanet_r18", model__backbone__base_channels=8)
    fit_backbone(cfg)
    assert cfg.model.neck.in_channels == [8, 16, 32, 64]


def test_channels_and_weights_set_by_hand_win(load):
    cfg = load(
        "retinanet_r50",
        model__backbone__depth=18,
        model__neck__in_channels=[1, 2, 3, 4],
        model__backbone__init_cfg__checkpoint="mine.pth",
    )
    assert fit_backbone(cfg) == []


def test_random_weights_are_not_frozen(load):
    cfg = load("retinanet_r50", model__backbone__init_cfg=None)
    fit_backbone(cfg)
    assert cfg.model.backbone.frozen_stages == -1
    assert cfg.model.backbone.norm_eval is False


def test_a_resumed_run_that_began_with_weights_of_a_detector_stays_frozen(load):
    cfg = load(
        "retinanet_r50", model__backbone__init_cfg=None, load_from="epoch_1.pth", resume=True
    )
    cfg.started_from = "detector.pth"
    assert fit_backbone(cfg) == []
    assert cfg.model.backbone.frozen_stages == 1


FIXED_NORM = ("retinanet_x101", "presets/mmdet_r50_caffe", "presets/detectron2")


@pytest.mark.parametrize("name", FIXED_NORM)
def test_every_residual_branch_of_random_weights_can_leave_its_scale_of_0(load, name):
    cfg = load(name, model__backbone__init_cfg=None)
    keys = {change.key for change in fit_backbone(cfg)}
    assert "model.backbone.norm_cfg.requires_grad" in keys
    backbone = MODELS.build({**cfg.model.backbone, "depth": 50})
    backbone.init_weights()
    weights = dict(backbone.named_parameters())
    scales = [weight for key, weight in weights.items() if key.endswith("bn3.weight")]
    assert len(scales) == 16
    assert all(scale.requires_grad for scale in scales)


def test_norm_of_loaded_weights_stays_fixed(load):
    cfg = load("retinanet_x101", model__backbone__init_cfg=None, load_from="a.pth")
    fit_backbone(cfg)
    assert cfg.model.backbone.norm_cfg.requires_grad is False


@pytest.mark.parametrize(("resume", "frozen"), [(False, 1), (True, -1)])
def test_loaded_weights_stay_frozen_and_a_resumed_run_goes_on_as_it_began(load, resume, frozen):
    cfg = load("retinanet_r50", model__backbone__init_cfg=None, load_from="a.pth", resume=resume)
    fit_backbone(cfg)
    assert cfg.model.backbone.frozen_stages == frozen


def test_other_backbones_are_left_alone(load):
    cfg = load("retinanet_r50", model__backbone__type="RegNet", model__backbone__depth=18)
    assert fit_backbone(cfg) == []
