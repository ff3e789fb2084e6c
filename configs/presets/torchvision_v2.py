"""RetinaNet, ResNet-50, with the choices of torchvision's retinanet_resnet50_fpn_v2.

Command:  mim train retina_plugin torchvision_v2.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each.
Cost:     not measured.
Expect:   AP 41.5 on COCO val2017 (torchvision, RetinaNet_ResNet50_FPN_V2_Weights.COCO_V1).

Differs from retinanet_r50.py in: group norm in the subnets, GIoU loss on decoded boxes, batch norm
of the backbone that trains, over all GPUs, from torchvision's second ImageNet weights, AdamW for 26
epochs, short sides of 480 to 800 px in training, 300 detections an image (pytorch/vision, pull
request 5756, has the command of the published weights).
"""

_base_ = [
    "../_base_/models/r50.py",
    "../_base_/datasets/coco_detection.py",
    "../_base_/schedules/schedule_12e.py",
]
model = dict(
    backbone=dict(
        norm_eval=False,
        frozen_stages=1,
        init_cfg=dict(checkpoint="https://download.pytorch.org/models/resnet50-11ad3fa6.pth"),
    ),
    bbox_head=dict(
        norm_cfg=dict(type="GN", num_groups=32),
        reg_decoded_bbox=True,
        loss_bbox=dict(_delete_=True, type="GIoULoss", loss_weight=1.0),
    ),
    test_cfg=dict(max_per_img=300),
)
sync_bn = "torch"  # where several GPUs train
train_pipeline = [
    dict(type="LoadImageFromFile", backend_args=None),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(
        type="RandomChoiceResize",
        scales=[(1333, side) for side in range(480, 801, 32)],
        keep_ratio=True,
    ),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetInputs"),
]
train_dataloader = dict(
    sampler=dict(_delete_=True, type="DefaultSampler", shuffle=True),
    dataset=dict(pipeline=train_pipeline),
)
train_cfg = dict(max_epochs=26)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=1000),
    dict(type="MultiStepLR", begin=0, end=26, by_epoch=True, milestones=[16, 22], gamma=0.1),
]
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="AdamW", lr=0.0001, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0.0),
)
