"""A small RetinaNet, ResNet-18 from random weights, on scenes of handwritten digits.

Command:  make demo, or after `python tools/demo_scenes.py demo_data`:
          mim train retina_plugin retinanet_demo.py --cfg-options minutes=7
Hardware: 2 CPU cores.
Cost:     as many minutes as it is given; make demo gives it what is left of ten. Without minutes,
          6 epochs of 2,400 scenes.
Expect:   AP50 above 0.6 on the validation scenes within ten minutes, installation included, where
          the processor computes in float32; above 0.8 where it computes in bfloat16 (ours, not the
          paper's).
"""

_base_ = [
    "./_base_/models/r18.py",
    "./_base_/datasets/custom.py",
    "./_base_/default_runtime.py",
]
data_root = "demo_data/"
image_scale = (128, 128)  # of scenes of 192 px
recipe = dict(data_root=data_root)

# Departures from the paper, for minutes on a CPU: half of the backbone's channels, a quarter of the
# head's and half of its depth, and normalised layers, because nothing is pretrained.
model = dict(
    backbone=dict(base_channels=32, init_cfg=None, frozen_stages=-1, norm_eval=False),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=64, norm_cfg=dict(type="BN")),
    bbox_head=dict(
        num_classes=None,
        in_channels=64,
        feat_channels=64,
        stacked_convs=2,
        # GN, not BN: the levels, which share these layers, differ too much for one running mean.
        norm_cfg=dict(type="GN", num_groups=16),
        # Digits are 15 to 45 px large, and higher than wide: with the paper's anchors, from 32 px
        # on, a third of them would meet none by an IoU of 0.5.
        anchor_generator=dict(octave_base_scale=2, ratios=[1.0, 2.0]),
    ),
)
# Digits are not flipped: a mirrored one is none.
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="Resize", scale=image_scale, keep_ratio=True),
    dict(type="PackDetInputs"),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(data_root=data_root, pipeline=train_pipeline),
)
val_dataloader = dict(batch_size=8, num_workers=1, dataset=dict(data_root=data_root))
test_dataloader = dict(batch_size=8, num_workers=1, dataset=dict(data_root=data_root))

train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=6, val_interval=6)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=2e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=10),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.04, by_epoch=False, begin=0, end=100),
    # Late: so short a training is far from its end when a cosine has already lowered the rate.
    dict(type="MultiStepLR", begin=0, end=6, by_epoch=True, milestones=[5], gamma=0.1),
]
randomness = dict(seed=0)
default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(type="CheckpointHook", interval=6),
    # Two threads on two quiet cores, one where another program uses one of them.
    threads=dict(type="retina_plugin.ThreadTrialHook"),
    # Boxes of the second-best classes, drawn over the best one's, would hide it below a score of
    # 0.4. A drawing takes longer than the training step of a scene.
    visualization=dict(type="retina_plugin.DrawingHook", most=24, score_thr=0.4),
)
