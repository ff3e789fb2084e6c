"""Comparison: our RetinaNet with ResNet-18 and random weights, as in the miniature of the paper.

Command:  python tools/compare.py configs/compare/compare_retinanet_r18.py --data-root FOLDER
          --minutes 30 --recipe configs/compare/compare_retinanet_r18.py
Hardware: a CPU with 2 cores, or a GPU.
Cost:     the minutes that it is given.
Expect:   docs/comparison.md has what was measured on DeepPCB.
"""

_base_ = "../ablations/mini/mini_table1b_gamma2.py"
