"""Comparison: MMDetection's SSDLite, made for random weights; there is none with a ResNet.

Command:  python tools/compare.py configs/compare/compare_ssdlite_mobilenetv2.py --data-root FOLDER
          --minutes 30 --recipe configs/compare/compare_retinanet_r18.py
Hardware: a CPU with 2 cores, or a GPU.
Cost:     the minutes that it is given.
Expect:   docs/comparison.md has what was measured on DeepPCB.
"""

_base_ = "mmdet::ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py"
# Its own rate, 0.015 for 192 images, is for 600 epochs.
optim_wrapper = dict(optimizer=dict(lr=0.01))
auto_scale_lr = dict(base_batch_size=8)
