"""RetinaNet, ResNeXt-101-32x8d, scale jitter, 1.5 times the iterations: the paper's Table 2.

Command:  mim train retina_plugin retinanet_x101_table2.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; 1.5 times the iterations of retinanet_x101.py, at 0.81 of its convolutions.
Expect:   AP 40.8 on COCO test-dev (paper, Table 2).
"""

_base_ = [
    "./_base_/models/x101.py",
    "./_base_/datasets/coco_jitter.py",
    "./_base_/schedules/schedule_135k.py",
]
