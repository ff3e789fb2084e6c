"""Table 1d: OHEM 1:3, 128 anchors an image, NMS at 0.5.

Command:  mim train retina_plugin table1d_ohem1to3_128_nms0p5.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r101_600.py.
Expect:   AP 31.1, AP50 47.2, AP75 33.2 on COCO minival (paper, Table 1d).
"""

_base_ = "./_base_/ohem.py"
model = dict(train_cfg=dict(sampler=dict(number=128, iou_threshold=0.5, balanced=True)))
