"""Table 1d: OHEM, 512 anchors an image, NMS at 0.7.

Command:  mim train retina_plugin table1d_ohem_512_nms0p7.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r101_600.py.
Expect:   AP 30.6, AP50 47.0, AP75 32.6 on COCO minival (paper, Table 1d).
"""

_base_ = "./_base_/ohem.py"
model = dict(train_cfg=dict(sampler=dict(number=512, iou_threshold=0.7)))
