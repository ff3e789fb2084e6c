"""Table 1c: 1 scale and 3 aspect ratios of anchors.

Command:  mim train retina_plugin table1c_scales1_ratios3.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r50_600.py.
Expect:   AP 32.4, AP50 52.3, AP75 33.9 on COCO minival (paper, Table 1c).
"""

_base_ = "../retinanet_r50_600.py"
model = dict(bbox_head=dict(anchor_generator=dict(scales_per_octave=1)))
