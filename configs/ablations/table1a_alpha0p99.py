"""Table 1a: alpha-balanced cross entropy, alpha 0.99.

Command:  mim train retina_plugin table1a_alpha0p99.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r50_600.py.
Expect:   AP 28.7, AP50 47.4, AP75 29.9 on COCO minival (paper, Table 1a).
"""

_base_ = "../retinanet_r50_600.py"
model = dict(
    bbox_head=dict(
        loss_cls=dict(_delete_=True, type="retina_plugin.SigmoidCrossEntropyLoss", alpha=0.99)
    )
)
