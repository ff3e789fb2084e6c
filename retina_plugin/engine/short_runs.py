"""A run of a few iterations does not wait for a compiler."""

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from ..kernels.native import allow_compiling, is_compiled
from ..registry import HOOKS

SHORT = 200  # iterations


@HOOKS.register_module()
class ShortRunHook(Hook):
    """Leaves C code uncompiled where training is shorter than `SHORT` iterations.

    Code that an earlier run compiled is used all the same.
    """

    def before_train(self, runner: Runner) -> None:
        """Before the first iteration."""
        short = runner.max_iters < SHORT
        allow_compiling(not short)
        if short and not is_compiled("focal"):
            print_log(
                f"Fewer than {SHORT} iterations: the focal loss is not compiled for them.",
                logger="current",
            )

    def after_train(self, runner: Runner) -> None:  # noqa: ARG002
        """After the last one."""
        allow_compiling(True)
