"""Table 1e: ResNet-101, 400 px.

Command:  mim train retina_plugin table1e_r101_400.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     10 to 35 hours for the models of Table 1e (paper).
Expect:   AP 31.9, AP50 49.5, AP75 34.1 on COCO test-dev (paper, Table 1e).
"""

_base_ = "../retinanet_r101.py"
image_scale = (667, 400)
