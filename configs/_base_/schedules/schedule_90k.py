_base_ = "../default_runtime.py"

train_cfg = dict(type="IterBasedTrainLoop", max_iters=90000, val_interval=10000)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")

param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(
        type="MultiStepLR", begin=0, end=90000, by_epoch=False, milestones=[60000, 80000], gamma=0.1
    ),
]
optim_wrapper = dict(
    type="OptimWrapper", optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=0.0001)
)

# The schedule is written for 16 images a step. With another number, learning rate and
# iterations are scaled (see retina_plugin.recipe.resolve) unless enable=False.
auto_scale_lr = dict(enable=True, base_batch_size=16)

default_hooks = dict(
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=10000, max_keep_ckpts=3)
)
log_processor = dict(type="LogProcessor", window_size=50, by_epoch=False)
