"""Table 1a: alpha-balanced cross entropy, alpha 0.9.

Command:  mim train retina_plugin table1a_alpha0p90.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r50_600.py.
Expect:   AP 30.8, AP50 49.7, AP75 32.3 on COCO minival (paper, Table 1a).
"""

_base_ = "../retinanet_r50_600.py"
model = dict(
    bbox_head=dict(
        loss_cls=dict(_delete_=True, type="retina_plugin.SigmoidCrossEntropyLoss", alpha=0.9)
    )
)
