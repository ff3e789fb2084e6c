"""Miniature of Section 3, footnote 1: focal loss over a softmax.

Command:  mim train retina_plugin mini_section3_softmax.py --cfg-options data_root=FOLDER
Seeds:    python tools/reproduce.py mini --data-root FOLDER --rows section3_softmax
Hardware: a CPU with 2 cores, or a GPU.
Cost:     some 13 minutes on 2 cores, two at a time.
Expect:   docs/reproduction.md has what was measured on DeepPCB.
"""

_base_ = "./_base_/miniature.py"
model = dict(
    bbox_head=dict(
        loss_cls=dict(_delete_=True, type="retina_plugin.SoftmaxFocalLoss", gamma=2.0, alpha=0.25)
    )
)
