"""Table 1e: ResNet-101, 800 px.

Command:  mim train retina_plugin table1e_r101_800.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     10 to 35 hours for the models of Table 1e (paper).
Expect:   AP 37.8, AP50 57.5, AP75 40.8 on COCO test-dev (paper, Table 1e).
"""

_base_ = "../retinanet_r101.py"
