"""RetinaNet, ResNet-18, with every choice of MMDetection 3.3: for its published weights.

Command:  mim test retina_plugin mmdet_r18.py --checkpoint WEIGHTS
Hardware: one GPU, or a CPU.
Cost:     not measured.
Expect:   AP 31.7 on COCO val2017 (MMDetection's model zoo, retinanet_r18_fpn_1x_coco).
"""

_base_ = "./mmdet.py"
model = dict(
    backbone=dict(
        depth=18,
        init_cfg=dict(checkpoint="https://download.pytorch.org/models/resnet18-f37072fd.pth"),
    ),
    neck=dict(in_channels=[64, 128, 256, 512]),
)
