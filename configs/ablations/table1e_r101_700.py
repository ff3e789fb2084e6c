"""Table 1e: ResNet-101, 700 px.

Command:  mim train retina_plugin table1e_r101_700.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     10 to 35 hours for the models of Table 1e (paper).
Expect:   AP 37.1, AP50 56.6, AP75 39.8 on COCO test-dev (paper, Table 1e).
"""

_base_ = "../retinanet_r101.py"
image_scale = (1167, 700)
