"""RetinaNet, ResNet-50 of Caffe2, with every choice of MMDetection 3.3: for its published weights.

Command:  mim test retina_plugin mmdet_r50_caffe.py --checkpoint WEIGHTS
Hardware: one GPU, or a CPU.
Cost:     not measured.
Expect:   AP 36.3 on COCO val2017 (MMDetection's model zoo, retinanet_r50-caffe_fpn_1x_coco).
"""

_base_ = "./mmdet.py"
model = dict(
    data_preprocessor=dict(mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], bgr_to_rgb=False),
    backbone=dict(
        style="caffe",
        norm_cfg=dict(requires_grad=False),
        init_cfg=dict(
            checkpoint="https://download.openmmlab.com/pretrain/third_party/resnet50_msra-5891d200.pth"
        ),
    ),
)
