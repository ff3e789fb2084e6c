# Table 1d: cross entropy with the prior, on hard examples only.
_base_ = "./miniature.py"
model = dict(
    bbox_head=dict(loss_cls=dict(_delete_=True, type="retina_plugin.SigmoidCrossEntropyLoss")),
    train_cfg=dict(sampler=dict(_delete_=True, type="retina_plugin.OHEMSampler")),
)
