"""RetinaNet, ResNeXt-101-32x4d, with every choice of MMDetection 3.3: for its published weights.

Command:  mim test retina_plugin mmdet_x101_32x4d.py --checkpoint WEIGHTS
Hardware: one GPU, or a CPU.
Cost:     not measured.
Expect:   AP 39.9 on COCO val2017 (MMDetection's model zoo, retinanet_x101-32x4d_fpn_1x_coco).
"""

_base_ = "./mmdet.py"
model = dict(
    backbone=dict(
        type="ResNeXt",
        depth=101,
        groups=32,
        base_width=4,
        init_cfg=dict(
            checkpoint="https://download.openmmlab.com/pretrain/third_party/resnext101_32x4d-a5af3160.pth"
        ),
    ),
)
