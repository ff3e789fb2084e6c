_base_ = [
    "../../../_base_/models/r18.py",
    "../../../_base_/datasets/custom.py",
    "../../../_base_/default_runtime.py",
]

# From random weights, so that nothing is downloaded: then batch norm and all stages train. With
# group norm and two layers the subnets learn in minutes; with the paper's four and none they have
# not left the prior after ten (AP 0). Half of the paper's 256 channels make a step take 0.6 of the
# time. A crop is no image: a batch of 16 has the pixels of one of 512 x 512, and its positives are
# counted together, as the paper counts those of an image.
model = dict(
    backbone=dict(init_cfg=None, frozen_stages=-1, norm_eval=False),
    neck=dict(out_channels=128),
    bbox_head=dict(
        num_classes=None,
        in_channels=128,
        feat_channels=128,
        stacked_convs=2,
        norm_cfg=dict(type="GN", num_groups=32),
        normaliser="batch",
    ),
)

# Objects keep their size in pixels. Training sees small crops with at least one of them: a whole
# image would be mostly background, and time is short. Evaluation sees whole images.
image_scale = None
recipe = dict(image_scale=image_scale)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="RandomCrop", crop_size=(128, 128), allow_negative_crop=False),
    # What a crop leaves of an object at its edge.
    dict(type="FilterAnnotations", min_gt_bbox_wh=(16, 16), keep_empty=True),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale_factor=1.0, keep_ratio=True),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(
        type="PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]
train_dataloader = dict(
    batch_size=16,
    sampler=dict(_delete_=True, type="InfiniteSampler", shuffle=True),
    dataset=dict(pipeline=train_pipeline),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

# tools/reproduce.py mini --iterations N stretches all of it.
train_cfg = dict(type="IterBasedTrainLoop", max_iters=900, val_interval=900)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=150),
    dict(type="MultiStepLR", by_epoch=False, milestones=[600, 800], gamma=0.1),
]
optim_wrapper = dict(
    type="OptimWrapper", optimizer=dict(type="SGD", lr=0.02, momentum=0.9, weight_decay=0.0001)
)
auto_scale_lr = dict(enable=False, base_batch_size=16)
default_hooks = dict(
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=900), logger=dict(interval=25)
)
log_processor = dict(type="LogProcessor", window_size=25, by_epoch=False)
