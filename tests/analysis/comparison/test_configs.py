from pathlib import Path

import pytest
from mmengine.config import Config

from retina_plugin.analysis.comparison.candidates import candidates
from retina_plugin.analysis.comparison.configs import combined, has_data
from retina_plugin.errors import UserError

CONFIGS = Path(__file__).parents[3] / "configs"
RETINANET = str(CONFIGS / "retinanet_r18.py")
FCOS = "mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py"
FASTER = "mmdet::faster_rcnn/faster-rcnn_r18_fpn_8xb8-amp-lsj-200e_coco.py"


def recipe(batch=32):
    cfg = Config.fromfile(CONFIGS / "retinanet_custom.py")
    cfg.train_dataloader.batch_size = batch
    return cfg


def test_the_model_is_its_own_and_the_data_are_the_recipes():
    (fcos,) = candidates([FCOS])
    cfg = combined(fcos, recipe())
    assert cfg.model.type == "FCOS"
    assert cfg.model.bbox_head.num_classes is None  # to be read from the data
    assert cfg.train_dataloader == recipe().train_dataloader
    assert cfg.optim_wrapper.clip_grad.max_norm == 35
    assert cfg.fast is False  # as MMDetection trains it


def test_the_rate_is_scaled_to_the_recipes_batch():
    (fcos,) = candidates([FCOS])  # 0.01 for 16 images
    assert combined(fcos, recipe(32)).optim_wrapper.optimizer.lr == pytest.approx(0.02)
    assert combined(fcos, recipe(4)).optim_wrapper.optimizer.lr == pytest.approx(0.0025)
    assert combined(fcos, recipe(4)).auto_scale_lr.enable is False  # not once more


def test_mixed_precision_is_ours_which_needs_no_gpu():
    (faster,) = candidates([FASTER])
    wrapper = combined(faster, recipe()).optim_wrapper
    assert wrapper.type == "retina_plugin.MixedPrecisionOptimWrapper"
    assert "loss_scale" not in wrapper


def test_ours_stays_fast():
    (ours,) = candidates([RETINANET])
    assert combined(ours, recipe()).fast is True


def test_a_config_without_a_model_is_an_error(tmp_path):
    (tmp_path / "empty.py").write_text("a = 1\n")
    (empty,) = candidates([str(tmp_path / "empty.py")])
    with pytest.raises(UserError, match=r"empty.py has no model"):
        combined(empty, recipe())


def test_data_are_there_if_their_annotations_are(tiny_config):
    assert has_data(tiny_config())
    assert not has_data(Config.fromfile(RETINANET))


def test_what_is_evaluated_is_the_recipes_validation():
    cfg = recipe()
    cfg.test_dataloader = {**cfg.test_dataloader, "batch_size": 7}
    (fcos,) = candidates([FCOS])
    assert combined(fcos, cfg).test_dataloader == cfg.val_dataloader


def test_the_rate_of_an_adaptive_optimizer_scales_by_the_root(tmp_path):
    (tmp_path / "adam.py").write_text(
        f"_base_ = {RETINANET!r}\n"
        "optim_wrapper = dict(optimizer=dict(_delete_=True, type='AdamW', lr=0.001))\n"
    )
    (adam,) = candidates([str(tmp_path / "adam.py")])  # its schedule is for 16 images
    assert combined(adam, recipe(4)).optim_wrapper.optimizer.lr == pytest.approx(0.0005)


def test_data_that_are_not_configured_are_not_there(tiny_config):
    cfg = tiny_config()
    cfg.test_dataloader = None
    assert not has_data(cfg)
