"""Table 1e: ResNet-101, 500 px.

Command:  mim train retina_plugin table1e_r101_500.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     10 to 35 hours for the models of Table 1e (paper).
Expect:   AP 34.4, AP50 53.1, AP75 36.8 on COCO test-dev (paper, Table 1e).
"""

_base_ = "../retinanet_r101.py"
image_scale = (833, 500)
