"""Table 1d: OHEM 1:3, 512 anchors an image, NMS at 0.5.

Command:  mim train retina_plugin table1d_ohem1to3_512_nms0p5.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r101_600.py.
Expect:   AP 24.0, AP50 35.5, AP75 25.8 on COCO minival (paper, Table 1d).
"""

_base_ = "./_base_/ohem.py"
model = dict(train_cfg=dict(sampler=dict(number=512, iou_threshold=0.5, balanced=True)))
