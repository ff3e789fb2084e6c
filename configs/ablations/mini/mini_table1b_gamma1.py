"""Miniature of Table 1b: focal loss, gamma 1 with its best alpha, 0.25.

Command:  mim train retina_plugin mini_table1b_gamma1.py --cfg-options data_root=FOLDER
Seeds:    python tools/reproduce.py mini --data-root FOLDER --rows table1b_gamma1
Hardware: a CPU with 2 cores, or a GPU.
Cost:     some 13 minutes on 2 cores, two at a time.
Expect:   docs/reproduction.md has what was measured on DeepPCB.
"""

_base_ = "./_base_/miniature.py"
model = dict(bbox_head=dict(loss_cls=dict(gamma=1.0)))
