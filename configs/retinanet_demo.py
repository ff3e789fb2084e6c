"""A small RetinaNet, ResNet-18 from random weights, on scenes of handwritten digits.

Command:  make demo, or after `python tools/demo_scenes.py demo_data`:
          mim train retina_plugin retinanet_demo.py
Hardware: 2 CPU cores.
Cost:     some 8 minutes with bfloat16 in the processor.
Expect:   AP50 above 0.6 on the validation scenes (measured, see docs/results.md).
"""

_base_ = [
    "./_base_/models/r18.py",
    "./_base_/datasets/custom.py",
    "./_base_/default_runtime.py",
]
data_root = "demo_data/"
recipe = dict(data_root=data_root)

model = dict(
    backbone=dict(init_cfg=None, frozen_stages=-1, norm_eval=False),
    # Narrower and shallower than the paper's head, which would take most of the time here.
    neck=dict(out_channels=128),
    bbox_head=dict(num_classes=None, in_channels=128, feat_channels=128, stacked_convs=2),
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

train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=5, val_interval=5)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="retina_plugin.MixedPrecisionOptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=10),
)
param_scheduler = [
    dict(
        type="OneCycleLR",
        eta_max=1e-3,
        pct_start=0.2,
        by_epoch=True,
        convert_to_iter_based=True,
        total_steps=5,
    )
]
custom_hooks = [dict(type="retina_plugin.ChannelsLastHook")]
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(type="CheckpointHook", interval=5))
