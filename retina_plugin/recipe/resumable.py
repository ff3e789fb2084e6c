"""The parts by which a run that was ended anywhere goes on as if it had not been."""

from mmengine.config import Config, ConfigDict

from ..errors import UserError
from .report import Change

LOOPS = ("EpochBasedTrainLoop", "IterBasedTrainLoop")
CHECKPOINT_HOOKS = ("CheckpointHook", "mmengine.CheckpointHook")


def make_resumable(cfg: Config) -> list[Change]:
    """Puts in our checkpoint hook, loops and seeding for MMEngine's, in a config that trains.

    `exact_resume = False` leaves all as it is. What is not MMEngine's own stays.

    Raises:
        UserError: `exact_resume` is neither True nor False.
    """
    wanted = cfg.get("exact_resume", True)
    if not isinstance(wanted, bool):
        raise UserError(f"exact_resume expects True or False, but got {wanted!r}.")
    if not wanted or not isinstance(cfg.get("train_dataloader"), dict):
        return []
    return _hooks(cfg) + _loop(cfg)


def _hooks(cfg: Config) -> list[Change]:
    hooks = cfg.setdefault("default_hooks", ConfigDict())
    changes = []
    checkpoint = hooks.setdefault("checkpoint", ConfigDict(type="CheckpointHook", interval=1))
    if checkpoint is not None and checkpoint.get("type") in CHECKPOINT_HOOKS:
        checkpoint.type = "retina_plugin.CheckpointHook"
        changes.append(Change("default_hooks.checkpoint.type", checkpoint.type, "exact_resume"))
    if "seed" not in hooks:
        hooks.seed = ConfigDict(type="retina_plugin.SeedHook")
        changes.append(Change("default_hooks.seed.type", hooks.seed.type, "exact_resume"))
    return changes


def _loop(cfg: Config) -> list[Change]:
    loop = cfg.train_cfg
    if "type" not in loop and "by_epoch" in loop:
        loop.type = LOOPS[0] if loop.pop("by_epoch") else LOOPS[1]
    if loop.get("type") not in LOOPS:
        return []
    loop.type = f"retina_plugin.{loop.type}"
    return [Change("train_cfg.type", loop.type, "exact_resume")]
