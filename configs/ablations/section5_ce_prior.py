"""Section 5.1: cross entropy with the prior pi of 0.01.

Command:  mim train retina_plugin section5_ce_prior.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r50_600.py.
Expect:   AP 30.2 on COCO minival (paper, section 5.1).
"""

_base_ = "../retinanet_r50_600.py"
model = dict(
    bbox_head=dict(loss_cls=dict(_delete_=True, type="retina_plugin.SigmoidCrossEntropyLoss"))
)
