"""RetinaNet, ResNet-50, with every choice of MMDetection 3.3: for parity and published weights.

Command:  mim train retina_plugin mmdet.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each.
Cost:     not measured.
Expect:   AP 36.5 on COCO val2017 (MMDetection's model zoo, retinanet_r50_fpn_1x_coco).

Differs from retinanet_r50.py in: no ReLU before P7, plain L1 box loss, losses divided by the
positives of the whole batch, 12 epochs, and a schedule that another batch size does not rescale.
"""

_base_ = [
    "../_base_/models/r50.py",
    "../_base_/datasets/coco_detection.py",
    "../_base_/schedules/schedule_12e.py",
]
model = dict(
    neck=dict(relu_before_extra_convs=False),
    bbox_head=dict(
        normaliser="batch", loss_bbox=dict(_delete_=True, type="L1Loss", loss_weight=1.0)
    ),
)
train_dataloader = dict(sampler=dict(_delete_=True, type="DefaultSampler", shuffle=True))
