"""RetinaNet, ResNet-101, scale jitter and 1.5 times the iterations: the paper's Table 2.

Command:  mim train retina_plugin retinanet_r101_table2.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; 1.5 times the iterations of retinanet_r101.py, at 0.81 of its convolutions.
Expect:   AP 39.1 on COCO test-dev (paper, Table 2).
"""

_base_ = [
    "./_base_/models/r101.py",
    "./_base_/datasets/coco_jitter.py",
    "./_base_/schedules/schedule_135k.py",
]
