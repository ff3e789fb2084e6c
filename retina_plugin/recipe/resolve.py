"""The one function that fills in what depends on another key of a config."""

import copy
from collections.abc import Callable, Collection, Iterable

from mmengine.config import Config

from .backbone import fit_backbone
from .class_weights import weigh_classes
from .classes import fill_classes
from .image_scale import follow_image_scale
from .inheritance import drop_scope
from .layout import find_files
from .loaders import fit_loaders
from .minutes import fit_to_minutes
from .paths import follow_data_root, point_evaluators, remember_paths
from .report import Change, print_changes
from .resumable import make_resumable
from .schedule import describe_schedule, scale_schedule
from .shared_memory import fit_shared_memory
from .speed import choose_speed
from .type_names import name_types

STEPS = (
    name_types,
    drop_scope,
    follow_data_root,
    find_files,
    point_evaluators,
    remember_paths,
    fill_classes,
    weigh_classes,
    follow_image_scale,
    fit_backbone,
    choose_speed,
    fit_shared_memory,
    fit_loaders,
    make_resumable,
)


def resolve(
    cfg: Config,
    world_size: int = 1,
    say: Callable[[Iterable[Change]], None] | None = print_changes,
    typed: Collection[str] = (),
) -> Config:
    """A copy of the config in which every value fits the ones that it depends on.

    MMEngine expands `data_root + 'annotations/...'` when it reads the file, so a later
    `--cfg-options data_root=X` alone would change nothing. Values that were set by hand stay;
    a second call changes nothing.

    Args:
        cfg: the config, after --cfg-options.
        world_size: how many processes train together.
        say: what to do with the list of changes; None for silence.
        typed: keys given on the command line, which the scaling of the schedule leaves alone,
            and which must not contradict `minutes`.

    Raises:
        UserError: a file that has to be read for this is missing or broken, or what was set by
            hand contradicts it.
    """
    cfg = copy.deepcopy(cfg)
    if cfg.get("default_hooks") is None:  # none of its own
        cfg.default_hooks = {}
    changes = [change for step in STEPS for change in step(cfg)]
    changes += scale_schedule(cfg, world_size, typed)
    changes += fit_to_minutes(cfg, typed)
    changes += describe_schedule(cfg, world_size)
    if say is not None:
        say(changes)
    return cfg
