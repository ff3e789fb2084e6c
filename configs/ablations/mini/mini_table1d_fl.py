"""Miniature of Table 1d: focal loss, for comparison with OHEM.

Command:  mim train retina_plugin mini_table1d_fl.py --cfg-options data_root=FOLDER
Seeds:    python tools/reproduce.py mini --data-root FOLDER --rows table1d_fl
Hardware: a CPU with 2 cores, or a GPU.
Cost:     some 13 minutes on 2 cores, two at a time.
Expect:   docs/reproduction.md has what was measured on DeepPCB.
"""

_base_ = "./_base_/miniature.py"
