"""Comparison: MMDetection's RetinaNet with ResNet-18, random weights, subnets of two layers.

Command:  python tools/compare.py configs/compare/compare_mmdet_retinanet_r18.py --data-root FOLDER
          --minutes 30 --recipe configs/compare/compare_retinanet_r18.py
Hardware: a CPU with 2 cores, or a GPU.
Cost:     the minutes that it is given.
Expect:   docs/comparison.md has what was measured on DeepPCB.
"""

_base_ = "mmdet::retinanet/retinanet_r18_fpn_1x_coco.py"
model = dict(
    backbone=dict(init_cfg=None, frozen_stages=-1, norm_eval=False),
    bbox_head=dict(stacked_convs=2, norm_cfg=dict(type="GN", num_groups=32)),
)
