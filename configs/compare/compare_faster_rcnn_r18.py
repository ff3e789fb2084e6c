"""Comparison: MMDetection's Faster R-CNN with ResNet-18 and random weights.

Command:  python tools/compare.py configs/compare/compare_faster_rcnn_r18.py --data-root FOLDER
          --minutes 30 --recipe configs/compare/compare_retinanet_r18.py
Hardware: a CPU with 2 cores, or a GPU.
Cost:     the minutes that it is given.
Expect:   docs/comparison.md has what was measured on DeepPCB.
"""

_base_ = "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py"
model = dict(
    backbone=dict(depth=18, init_cfg=None, frozen_stages=-1, norm_eval=False),
    neck=dict(in_channels=[64, 128, 256, 512]),
    # Of a crop of 320 px fewer proposals than of a whole image.
    train_cfg=dict(rcnn=dict(sampler=dict(num=64))),
)
