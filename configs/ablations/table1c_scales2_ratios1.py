"""Table 1c: 2 scales and 1 aspect ratio of anchors.

Command:  mim train retina_plugin table1c_scales2_ratios1.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r50_600.py.
Expect:   AP 31.9, AP50 50.0, AP75 34.0 on COCO minival (paper, Table 1c).
"""

_base_ = "../retinanet_r50_600.py"
model = dict(bbox_head=dict(anchor_generator=dict(scales_per_octave=2, ratios=[1.0])))
