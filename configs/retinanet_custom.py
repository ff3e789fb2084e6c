"""RetinaNet, ResNet-50, for any folder in COCO format; classes and sizes come from its files.

Command:  mim train retina_plugin retinanet_custom.py --cfg-options data_root=FOLDER
          FOLDER holds annotations/train.json, annotations/val.json and images/, or is laid out
          as COCO's or Roboflow's (retina_plugin/recipe/layout.py lists what is found).
Hardware: one GPU or a CPU; 4 images a step, another batch size rescales the rate by itself.
Cost:     12 epochs of your images.
Expect:   depends on the data; nothing is promised.
"""

_base_ = [
    "./_base_/models/r50.py",
    "./_base_/datasets/custom.py",
    "./_base_/schedules/schedule_12e.py",
]
model = dict(
    bbox_head=dict(
        num_classes=None,
        # Not the paper's 'image': a folder of one's own has images whose objects are labelled in
        # part, and divided by their few positives these outweigh the rest (docs/results.md).
        normaliser="global",
    )
)

# Warm-up over the first epoch: 500 iterations would be most of a small data set's training.
param_scheduler = [
    dict(
        type="LinearLR",
        start_factor=0.001,
        by_epoch=True,
        begin=0,
        end=1,
        convert_to_iter_based=True,
    ),
    dict(type="MultiStepLR", begin=0, end=12, by_epoch=True, milestones=[8, 11], gamma=0.1),
]
auto_scale_lr = dict(enable=True)
default_hooks = dict(
    logger=dict(interval=10), checkpoint=dict(save_best="coco/bbox_mAP", rule="greater")
)
