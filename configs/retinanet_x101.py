"""RetinaNet, ResNeXt-101-32x8d, 800 px: the paper's 90,000 iterations.

Command:  mim train retina_plugin retinanet_x101.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured.
Expect:   the paper has this backbone with scale jitter and 1.5 times the iterations only:
          see retinanet_x101_table2.py.
"""

_base_ = [
    "./_base_/models/x101.py",
    "./_base_/datasets/coco_detection.py",
    "./_base_/schedules/schedule_90k.py",
]
