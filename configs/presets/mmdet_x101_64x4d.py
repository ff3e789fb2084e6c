"""RetinaNet, ResNeXt-101-64x4d, with every choice of MMDetection 3.3: for its published weights.

Command:  mim test retina_plugin mmdet_x101_64x4d.py --checkpoint WEIGHTS
Hardware: one GPU, or a CPU.
Cost:     not measured.
Expect:   AP 41.0 on COCO val2017 (MMDetection's model zoo, retinanet_x101-64x4d_fpn_1x_coco).
"""

_base_ = "./mmdet.py"
model = dict(
    backbone=dict(
        type="ResNeXt",
        depth=101,
        groups=64,
        base_width=4,
        init_cfg=dict(
            checkpoint="https://download.openmmlab.com/pretrain/third_party/resnext101_64x4d-ee2c6f71.pth"
        ),
    ),
)
