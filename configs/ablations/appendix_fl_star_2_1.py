"""Appendix, Table 3: FL*, gamma 2 and beta 1.

Command:  mim train retina_plugin appendix_fl_star_2_1.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r50_600.py.
Expect:   AP 33.8, AP50 52.7, AP75 36.3 on COCO minival (paper, appendix, Table 3).
"""

_base_ = "../retinanet_r50_600.py"
model = dict(
    bbox_head=dict(
        loss_cls=dict(_delete_=True, type="retina_plugin.FocalStarLoss", gamma=2.0, beta=1.0)
    )
)
