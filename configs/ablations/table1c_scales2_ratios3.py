"""Table 1c: 2 scales and 3 aspect ratios of anchors.

Command:  mim train retina_plugin table1c_scales2_ratios3.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r50_600.py.
Expect:   AP 34.2, AP50 53.1, AP75 36.5 on COCO minival (paper, Table 1c).
"""

_base_ = "../retinanet_r50_600.py"
model = dict(bbox_head=dict(anchor_generator=dict(scales_per_octave=2)))
