"""Miniature of Table 1c: 3 scales and 1 aspect ratio of anchors.

Command:  mim train retina_plugin mini_table1c_scales3_ratios1.py --cfg-options data_root=FOLDER
Seeds:    python tools/reproduce.py mini --data-root FOLDER --rows table1c_scales3_ratios1
Hardware: a CPU with 2 cores, or a GPU.
Cost:     some 13 minutes on 2 cores, two at a time.
Expect:   docs/reproduction.md has what was measured on DeepPCB.
"""

_base_ = "./_base_/miniature.py"
model = dict(bbox_head=dict(anchor_generator=dict(ratios=[1.0])))
