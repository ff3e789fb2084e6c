"""Table 1c: 3 scales and 1 aspect ratio of anchors.

Command:  mim train retina_plugin table1c_scales3_ratios1.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r50_600.py.
Expect:   AP 31.8, AP50 49.4, AP75 33.7 on COCO minival (paper, Table 1c).
"""

_base_ = "../retinanet_r50_600.py"
model = dict(bbox_head=dict(anchor_generator=dict(ratios=[1.0])))
