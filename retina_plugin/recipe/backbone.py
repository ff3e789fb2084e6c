"""What hangs on the backbone's depth and on whether its weights are trained already."""

from typing import Any

from mmengine.config import Config, ConfigDict

from .report import Change

NARROW, WIDE = [64, 128, 256, 512], [256, 512, 1024, 2048]
CHANNELS = {18: NARROW, 34: NARROW, 50: WIDE, 101: WIDE, 152: WIDE}
SITE = "https://download.pytorch.org/models/"
# torchvision's IMAGENET1K_V1 weights; the last part of each name is the file's SHA-256.
PRETRAINED = {
    18: f"{SITE}resnet18-f37072fd.pth",
    34: f"{SITE}resnet34-b627a593.pth",
    50: f"{SITE}resnet50-0676ba61.pth",
    101: f"{SITE}resnet101-63fe2227.pth",
    152: f"{SITE}resnet152-394f9c45.pth",
}


def fit_backbone(cfg: Config) -> list[Change]:
    """Fits neck, pretrained file and frozen layers to a backbone that was changed by depth."""
    backbone = cfg.model.get("backbone")
    if not backbone or backbone.get("type") not in ("ResNet", "ResNeXt"):
        return []
    changes = _fit_neck(backbone, cfg.model.get("neck"))
    if backbone.type == "ResNet":
        changes += _fit_weights(backbone)
    if "recipe" in cfg and backbone.get("init_cfg", 0) is None and _starts_afresh(cfg):
        changes += _unfreeze(backbone)
    return changes


def _fit_neck(backbone: ConfigDict, necks: Any) -> list[Change]:
    neck = necks[0] if isinstance(necks, list | tuple) and necks else necks
    if not isinstance(neck, dict) or not isinstance(neck.get("in_channels"), list | tuple):
        return []
    width = backbone.get("base_channels", 64)
    channels = [channel * width // 64 for channel in CHANNELS.get(backbone.depth, [])]
    if not channels or list(neck["in_channels"]) not in (NARROW, WIDE):
        return []
    if list(neck["in_channels"]) == channels:
        return []
    neck["in_channels"] = channels
    key = "model.neck.in_channels" if neck is necks else "model.neck.0.in_channels"
    return [Change(key, channels, f"follows model.backbone.depth={backbone.depth}")]


def _fit_weights(backbone: ConfigDict) -> list[Change]:
    init_cfg = backbone.get("init_cfg") or ConfigDict()
    right = PRETRAINED.get(backbone.depth)
    wrong = set(PRETRAINED.values()) - {right}
    if right is None or init_cfg.get("checkpoint") not in wrong:
        return []
    init_cfg.checkpoint = right
    key = "model.backbone.init_cfg.checkpoint"
    return [Change(key, right, f"follows model.backbone.depth={backbone.depth}")]


def _starts_afresh(cfg: Config) -> bool:
    """Whether a training began, or begins, without weights of a detector."""
    return not (cfg.get("started_from") if cfg.get("resume") else cfg.get("load_from"))


def _unfreeze(backbone: ConfigDict) -> list[Change]:
    norm = backbone.get("norm_cfg") or ConfigDict()
    wanted = (
        ("model.backbone", backbone, "frozen_stages", -1),
        ("model.backbone", backbone, "norm_eval", False),
        # ResNet's residual branches begin at a scale of 0 and would stay there.
        ("model.backbone.norm_cfg", norm, "requires_grad", True),
    )
    changes = []
    for key, section, name, value in wanted:
        if section.get(name, value) != value:
            section[name] = value
            reason = "init_cfg=None: random weights must train"
            changes.append(Change(f"{key}.{name}", value, reason))
    return changes
