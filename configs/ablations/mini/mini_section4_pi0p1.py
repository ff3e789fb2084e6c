"""Miniature of Section 4.1: focal loss with the prior pi of 0.1.

Command:  mim train retina_plugin mini_section4_pi0p1.py --cfg-options data_root=FOLDER
Seeds:    python tools/reproduce.py mini --data-root FOLDER --rows section4_pi0p1
Hardware: a CPU with 2 cores, or a GPU.
Cost:     some 13 minutes on 2 cores, two at a time.
Expect:   docs/reproduction.md has what was measured on DeepPCB.
"""

_base_ = "./_base_/miniature.py"
model = dict(bbox_head=dict(prior_prob=0.1))
