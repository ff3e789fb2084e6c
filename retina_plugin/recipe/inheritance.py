"""Lets a config in any folder inherit ours by the package's name.

The form is `_base_ = "retina_plugin::_base_/../retinanet_r50.py"`: MMEngine wants a folder's name
and a slash after the colons.
"""

from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE

from ..registry import SCOPE
from .datasets import dicts_in
from .report import Change


def allow_inheritance() -> None:
    """Enters this package in MMEngine's table of packages whose configs can be inherited."""
    MODULE2PACKAGE[SCOPE] = SCOPE


def drop_scope(cfg: Config) -> list[Change]:
    """Removes the scope that MMEngine adds to what was inherited from this package.

    Our configs name MMDetection's modules without a prefix, and under our scope those would not
    be found.
    """
    for section in dicts_in(list(cfg.values())):
        if section.get("_scope_") == SCOPE:
            del section["_scope_"]
    return []
