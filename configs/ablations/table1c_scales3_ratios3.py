"""Table 1c: 3 scales and 3 aspect ratios of anchors.

Command:  mim train retina_plugin table1c_scales3_ratios3.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r50_600.py.
Expect:   AP 34.0, AP50 52.5, AP75 36.5 on COCO minival (paper, Table 1c).
"""

_base_ = "../retinanet_r50_600.py"
