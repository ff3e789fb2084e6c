"""Table 1b: focal loss, gamma 5 with its best alpha, 0.25.

Command:  mim train retina_plugin table1b_gamma5.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r50_600.py.
Expect:   AP 32.2, AP50 49.6, AP75 34.8 on COCO minival (paper, Table 1b).
"""

_base_ = "../retinanet_r50_600.py"
model = dict(bbox_head=dict(loss_cls=dict(gamma=5.0)))
