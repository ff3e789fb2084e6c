"""Table 1b: focal loss, gamma 0.5 with its best alpha, 0.5.

Command:  mim train retina_plugin table1b_gamma0p5.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r50_600.py.
Expect:   AP 32.9, AP50 51.7, AP75 35.2 on COCO minival (paper, Table 1b).
"""

_base_ = "../retinanet_r50_600.py"
model = dict(bbox_head=dict(loss_cls=dict(gamma=0.5, alpha=0.5)))
