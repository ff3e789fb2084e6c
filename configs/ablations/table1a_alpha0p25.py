"""Table 1a: alpha-balanced cross entropy, alpha 0.25.

Command:  mim train retina_plugin table1a_alpha0p25.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r50_600.py.
Expect:   AP 10.8, AP50 16.0, AP75 11.7 on COCO minival (paper, Table 1a).
"""

_base_ = "../retinanet_r50_600.py"
model = dict(
    bbox_head=dict(
        loss_cls=dict(_delete_=True, type="retina_plugin.SigmoidCrossEntropyLoss", alpha=0.25)
    )
)
