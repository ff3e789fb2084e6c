"""Table 1d: OHEM, 256 anchors an image, NMS at 0.7.

Command:  mim train retina_plugin table1d_ohem_256_nms0p7.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r101_600.py.
Expect:   AP 31.8, AP50 48.8, AP75 33.9 on COCO minival (paper, Table 1d).
"""

_base_ = "./_base_/ohem.py"
model = dict(train_cfg=dict(sampler=dict(number=256, iou_threshold=0.7)))
