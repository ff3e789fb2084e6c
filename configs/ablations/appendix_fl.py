"""Appendix, Table 3: focal loss, gamma 2.

Command:  mim train retina_plugin appendix_fl.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r50_600.py.
Expect:   AP 34.0, AP50 52.5, AP75 36.5 on COCO minival (paper, appendix, Table 3).
"""

_base_ = "../retinanet_r50_600.py"
