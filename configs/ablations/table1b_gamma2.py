"""Table 1b: focal loss, gamma 2 with its best alpha, 0.25.

Command:  mim train retina_plugin table1b_gamma2.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r50_600.py.
Expect:   AP 34.0, AP50 52.5, AP75 36.5 on COCO minival (paper, Table 1b).
"""

_base_ = "../retinanet_r50_600.py"
