from pathlib import Path

import mmdet
import pytest
import torch
from mmdet.models.dense_heads import SSDHead
from mmengine.config import Config
from torch import nn

ZOO = Path(mmdet.__file__).parent / ".mim" / "configs"


@pytest.mark.parametrize(
    "name", ["ssd/ssd300_coco.py", "ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py"]
)
def test_ssd_predicts(make_model, make_sample, name):
    cfg = Config.fromfile(ZOO / name).model
    cfg.backbone.init_cfg = None
    detector = make_model(cfg).eval()
    with torch.no_grad():
        (result,) = detector(
            torch.rand(1, 3, 300, 300), [make_sample(img_shape=(300, 300))], "predict"
        )
    assert set(result.pred_instances.keys()) == {"bboxes", "scores", "labels"}


def test_a_head_with_a_loss_of_its_own_keeps_it():
    class WithLoss(SSDHead):
        def __init__(self):
            nn.Module.__init__(self)
            self.loss_cls = nn.CrossEntropyLoss()

    assert isinstance(WithLoss().loss_cls, nn.CrossEntropyLoss)
