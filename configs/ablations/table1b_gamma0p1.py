"""Table 1b: focal loss, gamma 0.1 with its best alpha, 0.75.

Command:  mim train retina_plugin table1b_gamma0p1.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r50_600.py.
Expect:   AP 31.4, AP50 49.9, AP75 33.1 on COCO minival (paper, Table 1b).
"""

_base_ = "../retinanet_r50_600.py"
model = dict(bbox_head=dict(loss_cls=dict(gamma=0.1, alpha=0.75)))
