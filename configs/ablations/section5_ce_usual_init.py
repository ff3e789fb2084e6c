"""Section 5.1: cross entropy with the usual initialisation.

Command:  mim train retina_plugin section5_ce_usual_init.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r50_600.py.
Expect:   it diverges quickly (paper, section 5.1).
"""

_base_ = "../retinanet_r50_600.py"
model = dict(
    bbox_head=dict(
        loss_cls=dict(_delete_=True, type="retina_plugin.SigmoidCrossEntropyLoss"), prior_prob=0.5
    )
)
