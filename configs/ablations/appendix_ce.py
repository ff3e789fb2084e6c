"""Appendix, Table 3: alpha-balanced cross entropy, alpha 0.75.

Command:  mim train retina_plugin appendix_ce.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r50_600.py.
Expect:   AP 31.1, AP50 49.4, AP75 33.0 on COCO minival (paper, appendix, Table 3).
"""

_base_ = "../retinanet_r50_600.py"
model = dict(
    bbox_head=dict(
        loss_cls=dict(_delete_=True, type="retina_plugin.SigmoidCrossEntropyLoss", alpha=0.75)
    )
)
