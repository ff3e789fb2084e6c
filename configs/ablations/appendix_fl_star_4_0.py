"""Appendix, Table 3: FL*, gamma 4 and beta 0.

Command:  mim train retina_plugin appendix_fl_star_4_0.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r50_600.py.
Expect:   AP 33.9, AP50 51.8, AP75 36.4 on COCO minival (paper, appendix, Table 3).
"""

_base_ = "../retinanet_r50_600.py"
model = dict(
    bbox_head=dict(
        loss_cls=dict(_delete_=True, type="retina_plugin.FocalStarLoss", gamma=4.0, beta=0.0)
    )
)
