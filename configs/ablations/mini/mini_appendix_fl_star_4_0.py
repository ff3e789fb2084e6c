"""Miniature of Appendix, Table 3: FL*, gamma 4 and beta 0.

Command:  mim train retina_plugin mini_appendix_fl_star_4_0.py --cfg-options data_root=FOLDER
Seeds:    python tools/reproduce.py mini --data-root FOLDER --rows appendix_fl_star_4_0
Hardware: a CPU with 2 cores, or a GPU.
Cost:     some 13 minutes on 2 cores, two at a time.
Expect:   docs/reproduction.md has what was measured on DeepPCB.
"""

_base_ = "./_base_/miniature.py"
model = dict(
    bbox_head=dict(
        loss_cls=dict(_delete_=True, type="retina_plugin.FocalStarLoss", gamma=4.0, beta=0.0)
    )
)
