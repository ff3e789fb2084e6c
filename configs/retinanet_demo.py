"""A small RetinaNet, ResNet-18 from random weights, on scenes of handwritten digits.

Command:  make demo, or after `python tools/demo_scenes.py demo_data`:
          mim train retina_plugin retinanet_demo.py
Hardware: 2 CPU cores.
Cost:     9 minutes of training (measured, other programs running) where the processor computes
          in bfloat16; by the time of a step, half as long again in float32. For two cores
          OMP_NUM_THREADS=1, as make demo sets it, is nearly as fast and much steadier.
Expect:   AP 0.71, AP50 0.87 on the validation scenes (measured; ours, not the paper's).
"""

_base_ = [
    "./_base_/models/r18.py",
    "./_base_/datasets/custom.py",
    "./_base_/default_runtime.py",
]
data_root = "demo_data/"
recipe = dict(data_root=data_root)

# Departures from the paper, for minutes on a CPU: a head half as wide and half as deep, which
# would else take most of the time, and normalised layers, because nothing is pretrained.
model = dict(
    backbone=dict(init_cfg=None, frozen_stages=-1, norm_eval=False),
    neck=dict(out_channels=128, norm_cfg=dict(type="BN")),
    bbox_head=dict(
        num_classes=None,
        in_channels=128,
        feat_channels=128,
        stacked_convs=2,
        # GN, not BN: the levels, which share these layers, differ too much for one running mean.
        norm_cfg=dict(type="GN", num_groups=16),
    ),
)
# Digits are not flipped: a mirrored one is none.
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="PackDetInputs"),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(data_root=data_root, pipeline=train_pipeline),
)
val_dataloader = dict(batch_size=8, num_workers=1, dataset=dict(data_root=data_root))
test_dataloader = dict(batch_size=8, num_workers=1, dataset=dict(data_root=data_root))

train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=4, val_interval=4)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=10),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.04, by_epoch=False, begin=0, end=200),
    dict(
        type="CosineAnnealingLR",
        by_epoch=True,
        T_max=4,
        eta_min=1e-6,
        convert_to_iter_based=True,
    ),
]
randomness = dict(seed=0)
default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(type="CheckpointHook", interval=4),
    # Boxes of the second-best classes, drawn over the best one's, would hide it below this.
    visualization=dict(score_thr=0.5),
)
