"""Table 1d: OHEM 1:3, 256 anchors an image, NMS at 0.5.

Command:  mim train retina_plugin table1d_ohem1to3_256_nms0p5.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r101_600.py.
Expect:   AP 28.3, AP50 42.4, AP75 30.3 on COCO minival (paper, Table 1d).
"""

_base_ = "./_base_/ohem.py"
model = dict(train_cfg=dict(sampler=dict(number=256, iou_threshold=0.5, balanced=True)))
