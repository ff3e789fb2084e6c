"""Table 2: ResNet-101 with scale jitter, 1.5 times as long.

Command:  mim train retina_plugin table2_r101.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r101_table2.py.
Expect:   AP 39.1, AP50 59.1, AP75 42.3 on COCO test-dev (paper, Table 2).
"""

_base_ = "../retinanet_r101_table2.py"
