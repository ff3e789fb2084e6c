"""RetinaNet, ResNet-50, with Detectron2's choices (its retinanet_R_50_FPN_1x).

Command:  mim train retina_plugin detectron2.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured.
Expect:   AP 37.4 on COCO val2017 (Detectron2's model zoo, retinanet_R_50_FPN_1x).

Differs from retinanet_r50.py in: losses divided by a running mean of the positives, L1 (its
Base-RetinaNet.yaml sets smooth L1's beta to 0), short sides of 640 to 800 px in training, Caffe2's
weights and pixels, 1,000 iterations of warm-up.
"""

_base_ = [
    "../_base_/models/r50.py",
    "../_base_/datasets/coco_jitter.py",
    "../_base_/schedules/schedule_90k.py",
]
model = dict(
    data_preprocessor=dict(mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], bgr_to_rgb=False),
    backbone=dict(
        style="caffe",
        norm_cfg=dict(type="BN", requires_grad=False),
        init_cfg=dict(
            checkpoint="https://download.openmmlab.com/pretrain/third_party/resnet50_msra-5891d200.pth"
        ),
    ),
    bbox_head=dict(normaliser="ema", loss_bbox=dict(_delete_=True, type="L1Loss", loss_weight=1.0)),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=1000),
    dict(
        type="MultiStepLR", begin=0, end=90000, by_epoch=False, milestones=[60000, 80000], gamma=0.1
    ),
]
