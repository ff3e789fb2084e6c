"""Table 2: ResNeXt-101-32x8d with scale jitter, 1.5 times as long.

Command:  mim train retina_plugin table2_x101.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_x101_table2.py.
Expect:   AP 40.8, AP50 61.1, AP75 44.1 on COCO test-dev (paper, Table 2).
"""

_base_ = "../retinanet_x101_table2.py"
