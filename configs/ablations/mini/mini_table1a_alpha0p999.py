"""Miniature of Table 1a: alpha-balanced cross entropy, alpha 0.999.

Command:  mim train retina_plugin mini_table1a_alpha0p999.py --cfg-options data_root=FOLDER
Seeds:    python tools/reproduce.py mini --data-root FOLDER --rows table1a_alpha0p999
Hardware: a CPU with 2 cores, or a GPU.
Cost:     some 13 minutes on 2 cores, two at a time.
Expect:   docs/reproduction.md has what was measured on DeepPCB.
"""

_base_ = "./_base_/miniature.py"
model = dict(
    bbox_head=dict(
        loss_cls=dict(_delete_=True, type="retina_plugin.SigmoidCrossEntropyLoss", alpha=0.999)
    )
)
