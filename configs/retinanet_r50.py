"""RetinaNet, ResNet-50, 800 px: the paper's 90,000 iterations.

Command:  mim train retina_plugin retinanet_r50.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     10 to 35 hours for the models of Table 1e (paper).
Expect:   AP 35.7 on COCO test-dev (paper, Table 1e).
"""

_base_ = [
    "./_base_/models/r50.py",
    "./_base_/datasets/coco_detection.py",
    "./_base_/schedules/schedule_90k.py",
]
