"""Miniature of Table 1d: OHEM, 128 anchors an image, NMS at 0.5.

Command:  mim train retina_plugin mini_table1d_ohem_128_nms0p5.py --cfg-options data_root=FOLDER
Seeds:    python tools/reproduce.py mini --data-root FOLDER --rows table1d_ohem_128_nms0p5
Hardware: a CPU with 2 cores, or a GPU.
Cost:     some 13 minutes on 2 cores, two at a time.
Expect:   docs/reproduction.md has what was measured on DeepPCB.
"""

_base_ = "./_base_/mini_ohem.py"
model = dict(train_cfg=dict(sampler=dict(number=128, iou_threshold=0.5)))
