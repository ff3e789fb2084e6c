"""Miniature of Section 5.1: cross entropy with the prior pi of 0.01.

Command:  mim train retina_plugin mini_section5_ce_prior.py --cfg-options data_root=FOLDER
Seeds:    python tools/reproduce.py mini --data-root FOLDER --rows section5_ce_prior
Hardware: a CPU with 2 cores, or a GPU.
Cost:     some 13 minutes on 2 cores, two at a time.
Expect:   docs/reproduction.md has what was measured on DeepPCB.
"""

_base_ = "./_base_/miniature.py"
model = dict(
    bbox_head=dict(loss_cls=dict(_delete_=True, type="retina_plugin.SigmoidCrossEntropyLoss"))
)
