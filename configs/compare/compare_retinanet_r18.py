"""Comparison: our RetinaNet with ResNet-18 and random weights, as for a folder of one's own.

Command:  python tools/compare.py configs/compare/compare_retinanet_r18.py --data-root FOLDER
          --minutes 30 --recipe configs/compare/compare_retinanet_r18.py
Hardware: a CPU with 2 cores, or a GPU.
Cost:     the minutes that it is given.
Expect:   docs/comparison.md has what was measured on DeepPCB.
"""

_base_ = "../ablations/mini/mini_table1b_gamma2.py"
# The paper's channels, as the others have; the normaliser of retinanet_custom.py: in a crop with a
# part of one object its few positives would outweigh all other crops.
model = dict(
    neck=dict(out_channels=256),
    bbox_head=dict(in_channels=256, feat_channels=256, normaliser="global"),
)
# The rate is the paper's, 0.01 for 16 images.
auto_scale_lr = dict(base_batch_size=32)

# Also the recipe of the others: fewer and larger crops than in the miniature, as a second stage
# costs by the image.
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="RandomCrop", crop_size=(320, 320), allow_negative_crop=False),
    dict(type="FilterAnnotations", min_gt_bbox_wh=(16, 16), keep_empty=True),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetInputs"),
]
train_dataloader = dict(batch_size=8, dataset=dict(pipeline=train_pipeline))
