"""`runner_type = "retina_plugin.Runner"`: what our tools do, under the tools of MMDetection.

MMDetection's train.py and test.py build the runner that a config names, after --cfg-options and
before anything is built or written. That is the one place from which a line of a config reaches
the config itself, loaders, loops and hooks; a hook comes when most of them are there.
"""

import atexit
import sys
from types import TracebackType
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import RUNNERS as MMENGINE_RUNNERS
from mmengine.runner import Runner as MMEngineRunner
from torch import nn

from ..errors import Stopped, UserError
from ..recipe import check, print_changes, resolve
from ..recipe.safeguards import add_safeguards
from ..registry import RUNNERS, SCOPE
from .border import in_one_sentence
from .distributed import is_first, join_processes, leave_processes, world_size
from .lifetime import follow_starter

SAID = UserError, RuntimeError, MemoryError
OURS = f"{SCOPE}.Runner"


@RUNNERS.register_module()
class Runner(MMEngineRunner):
    """MMEngine's Runner for a config that was completed, checked and given our safeguards.

    A `UserError` that nobody catches ends the process in its sentence, without a traceback; a
    signal ends it with the exit code that a shell expects.
    """

    @classmethod
    def from_cfg(cls, cfg: Config) -> "Runner":
        """The runner of a config that MMDetection's tools have read.

        Raises:
            UserError: something in the config is wrong; nothing has been written then.
        """
        end_in_a_sentence()
        follow_starter()
        cfg = prepared(cfg)
        join_processes(cfg)
        return super().from_cfg(cfg)

    def train(self) -> nn.Module:
        """Train; gives the model.

        Raises:
            UserError: the config does not fit data, registry or machine, or the training failed.
            SystemExit: a signal ended the training.
        """
        check(self.cfg, ("train", "val"))
        try:
            model = super().train()
        except Stopped as stop:
            print(stop, file=sys.stderr, flush=True)
            raise SystemExit(stop.exit_code) from stop
        if self.distributed:
            atexit.register(leave_processes)  # when the runner is gone
        return model

    def val(self) -> dict[str, float]:
        """Validate; gives the metrics.

        Raises:
            UserError: the config does not fit data, registry or machine.
        """
        check(self.cfg, ("val",))
        return super().val()

    def test(self) -> dict[str, float]:
        """Evaluate; gives the metrics.

        Raises:
            UserError: the config does not fit data, registry or machine.
        """
        check(self.cfg, ("test",))
        return super().test()


def build_runner(cfg: Config) -> MMEngineRunner:
    """The runner that a config names, where it has been completed and checked already."""
    if cfg.get("runner_type", OURS) == OURS:
        return MMEngineRunner.from_cfg(cfg)
    return MMENGINE_RUNNERS.build(cfg)


def prepared(cfg: Config) -> Config:
    """A copy of the config with everything filled in, also where it is to augment at test time.

    Raises:
        UserError: a file that has to be read for this is missing or broken.
    """
    launcher = cfg.get("launcher", "none")
    augmenter = cfg.model if isinstance(cfg.model.get("module"), dict) else None
    if augmenter is not None:
        cfg = cfg.copy()
        cfg.model = augmenter.module
    say = print_changes if is_first(launcher) else None
    cfg = resolve(cfg, world_size(launcher), say)
    cfg.launcher = launcher  # of which analyze_results says nothing
    changes = add_safeguards(cfg)
    if say is not None:
        say(changes)
    if augmenter is not None:
        cfg.model = ConfigDict({**augmenter, "module": cfg.model})
    return cfg


def end_in_a_sentence() -> None:
    """Show an uncaught `UserError`, or full memory, as one sentence; other errors as before."""
    before = sys.excepthook
    if getattr(before, "shows_sentences", False):
        return

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> Any:
        sentence = in_one_sentence(error) if isinstance(error, SAID) else None
        if sentence is None:
            before(kind, error, trace)
        else:
            print(f"error: {sentence}", file=sys.stderr, flush=True)

    show.shows_sentences = True  # type: ignore[attr-defined]
    sys.excepthook = show
