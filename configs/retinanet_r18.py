"""RetinaNet, ResNet-18, 800 px: the small one.

Command:  mim train retina_plugin retinanet_r18.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured.
Expect:   not in the paper. MMDetection publishes AP 31.7 on COCO val2017 for its own
          RetinaNet-R18, trained for 12 epochs (its model zoo).
"""

_base_ = [
    "./_base_/models/r18.py",
    "./_base_/datasets/coco_detection.py",
    "./_base_/schedules/schedule_90k.py",
]
