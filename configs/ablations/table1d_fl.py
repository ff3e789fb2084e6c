"""Table 1d: focal loss, for comparison with OHEM.

Command:  mim train retina_plugin table1d_fl.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r101_600.py.
Expect:   AP 36.0, AP50 54.9, AP75 38.7 on COCO minival (paper, Table 1d).
"""

_base_ = "../retinanet_r101_600.py"
