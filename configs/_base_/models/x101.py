_base_ = "./r50.py"

# The backbone's weights were trained in Caffe2, on BGR images with this mean and
# standard deviation and with fixed batch statistics.
model = dict(
    data_preprocessor=dict(
        mean=[103.530, 116.280, 123.675], std=[57.375, 57.120, 58.395], bgr_to_rgb=False
    ),
    backbone=dict(
        type="ResNeXt",
        depth=101,
        groups=32,
        base_width=8,
        norm_cfg=dict(type="BN", requires_grad=False),
        init_cfg=dict(
            type="Pretrained",
            checkpoint="https://download.openmmlab.com/pretrain/third_party/"
            "resnext101_32x8d-1516f1aa.pth",
        ),
    ),
)
