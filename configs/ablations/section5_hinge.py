"""Section 5.1: hinge on p_t.

Command:  mim train retina_plugin section5_hinge.py --launcher pytorch --gpus 8
Hardware: 8 GPUs with 2 images each; another batch size rescales the schedule by itself.
Cost:     not measured; that of retinanet_r50_600.py.
Expect:   no stable training (paper, section 5.1: no meaningful results).
"""

_base_ = "../retinanet_r50_600.py"
model = dict(bbox_head=dict(loss_cls=dict(_delete_=True, type="retina_plugin.HingeLoss")))
