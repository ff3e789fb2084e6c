_base_ = "./schedule_90k.py"

train_cfg = dict(max_iters=135000)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(
        type="MultiStepLR",
        begin=0,
        end=135000,
        by_epoch=False,
        milestones=[90000, 120000],
        gamma=0.1,
    ),
]
