"""Table 1e: ResNet-50, 800 px.

Command:  mim train retina_plugin table1e_r50_800.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     10 to 35 hours for the models of Table 1e (paper).
Expect:   AP 35.7, AP50 55.0, AP75 38.5 on COCO test-dev (paper, Table 1e).
"""

_base_ = "../retinanet_r50.py"
