"""RetinaNet, ResNet-101, with every choice of MMDetection 3.3: for its published weights.

Command:  mim test retina_plugin mmdet_r101.py --checkpoint WEIGHTS
Hardware: one GPU, or a CPU.
Cost:     not measured.
Expect:   AP 38.5 on COCO val2017 (MMDetection's model zoo, retinanet_r101_fpn_1x_coco).
"""

_base_ = "./mmdet.py"
model = dict(
    backbone=dict(
        depth=101,
        init_cfg=dict(checkpoint="https://download.pytorch.org/models/resnet101-63fe2227.pth"),
    ),
)
