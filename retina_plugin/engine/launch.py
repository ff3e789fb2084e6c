"""What tools/train.py and tools/test.py do after parsing: config, checks, MMEngine's Runner."""

import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

from mmdet.engine.hooks.utils import trigger_visualization_hook
from mmdet.evaluation import DumpDetResults
from mmengine.config import Config
from mmengine.runner import Runner

from ..errors import UserError
from ..recipe import check, print_changes, resolve
from ..recipe.minutes import LOOP as BUDGET_LOOP
from ..recipe.report import Change
from ..recipe.safeguards import add_safeguards
from .border import exit_code
from .distributed import is_first, join_processes, leave_processes, world_size
from .lifetime import follow_starter
from .loops import end_workers
from .options import parsed
from .resume import find_latest_checkpoint
from .runner import build_runner

# What code raises that finds another kind of value in a config than it expects.
UNFIT = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError),
    *(ValueError, MemoryError),
)


def train(**arguments: object) -> int:
    """Trains; takes the arguments of tools/train.py and gives the exit code."""
    return exit_code(partial(_together, _train, SimpleNamespace(**arguments)))


def test(**arguments: object) -> int:
    """Evaluates; takes the arguments of tools/test.py and gives the exit code."""
    return exit_code(partial(_together, _test, SimpleNamespace(**arguments)))


def _together(work: Callable[[SimpleNamespace], None], arguments: SimpleNamespace) -> None:
    """Work, then leave the other processes; not after an error, and not after a stop.

    torchrun kills all processes when the first that was stopped has ended.
    """
    work(arguments)
    if arguments.launcher != "none":
        leave_processes()


def _train(arguments: SimpleNamespace) -> None:
    cfg = read_config(arguments)
    if arguments.resume is not None:
        ask_to_resume(cfg, arguments.resume)
    if arguments.amp:
        cfg.optim_wrapper.type = "retina_plugin.MixedPrecisionOptimWrapper"
        cfg.optim_wrapper.pop("loss_scale", None)  # of MMEngine's, whose float16 needs one
    cfg = completed(cfg, ("train", "val"), arguments)
    changes = add_safeguards(cfg)
    if is_first(cfg.launcher):
        print_changes(changes)
    runner = start(cfg)
    count_from(runner, getattr(arguments, "began", None))
    runner.train()
    end_workers(runner)


def _test(arguments: SimpleNamespace) -> None:
    cfg = read_config(arguments)
    cfg.load_from = existing_checkpoint(arguments.checkpoint, "checkpoint")
    cfg.resume = False  # a resumed training's config has it
    if arguments.show or arguments.show_dir:
        cfg = trigger_visualization_hook(cfg, arguments)
    if arguments.out and not arguments.out.endswith((".pkl", ".pickle")):
        raise UserError(f"--out expects a name that ends in .pkl, not {arguments.out}.")
    cfg = completed(cfg, ("test",), arguments)
    runner = start(augmented(cfg) if arguments.tta else cfg)
    if arguments.out:
        runner.test_evaluator.metrics.append(DumpDetResults(out_file_path=arguments.out))
    runner.test()
    end_workers(runner)


def read_config(arguments: SimpleNamespace) -> Config:
    """The config file with the command line's options merged in.

    Raises:
        UserError: a missing or broken file, an option that is not KEY=VALUE or does not fit.
    """
    cfg = read_file(arguments.config)
    try:
        cfg.merge_from_dict(parsed(arguments.cfg_options))
    except UNFIT as error:
        if isinstance(error, UserError):
            raise
        raise UserError(_unfit(arguments.cfg_options, error)) from error
    cfg.launcher = arguments.launcher
    cfg.work_dir = (
        arguments.work_dir or cfg.get("work_dir") or f"work_dirs/{Path(arguments.config).stem}"
    )
    os.environ.setdefault("LOCAL_RANK", str(arguments.local_rank))
    return cfg


def read_file(path: str) -> Config:
    """The config file as it is.

    Raises:
        UserError: it is missing or broken.
    """
    if not Path(path).is_file():
        raise UserError(f"there is no config file {path}.")
    try:
        return Config.fromfile(path)
    except (SyntaxError, NameError, ImportError, OSError, SystemExit, *UNFIT) as error:
        raise UserError(f"config {path}: {type(error).__name__}: {error}.") from error


def existing_checkpoint(name: str, key: str) -> str:
    """Gives the name back.

    Raises:
        UserError: it is neither a file nor an address.
    """
    if "://" not in name and not Path(name).is_file():
        raise UserError(f"{key}: there is no file {name}.")
    return name


def ask_to_resume(cfg: Config, resume: str) -> None:
    """Sets `resume` and `load_from` from the value of --resume: a file, `latest` or `auto`.

    With `auto` and no checkpoint the run starts as without --resume. What the training was started
    from is kept as `started_from`.

    Raises:
        UserError: there is nothing to go on from, and `auto` was not asked for.
    """
    by_name = resume not in ("latest", "auto")
    # Named, so that a checkpoint is not looked for, and read whole, once more.
    found = existing_checkpoint(resume, "--resume") if by_name else last_checkpoint(cfg, resume)
    if found is None:
        return
    if not cfg.get("resume"):
        cfg.started_from = cfg.get("load_from")
    cfg.resume, cfg.load_from = True, found


def last_checkpoint(cfg: Config, resume: str) -> str | None:
    """The last checkpoint of the work dir; None where there is none yet and `resume` is `auto`.

    Raises:
        UserError: there is none, and `auto` was not asked for.
    """
    found = find_latest_checkpoint(cfg.work_dir)
    if found is None and resume == "latest":
        raise UserError(
            f"--resume: there is no checkpoint in {cfg.work_dir}; name one, or use "
            "--resume auto to start afresh where there is none."
        )
    return found


def augmented(cfg: Config) -> Config:
    """The config with `tta_model` round its model and `tta_pipeline` as the test pipeline.

    Raises:
        UserError: the config lacks one of the two.
    """
    for key in ("tta_model", "tta_pipeline"):
        if key not in cfg:
            raise UserError(f"--tta: the config has no {key}; configs/_base_/datasets shows one.")
    cfg.model = {**cfg.tta_model, "module": cfg.model}
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    return cfg


def completed(
    cfg: Config,
    splits: tuple[str, ...],
    arguments: SimpleNamespace,
    say: Callable[[Iterable[Change]], None] | None = print_changes,
) -> Config:
    """The config with everything filled in, and held against files, registry and machine.

    Raises:
        UserError: something is wrong, an option of the command line that does not fit among it.
    """
    typed = {pair.partition("=")[0] for pair in arguments.cfg_options}
    try:
        cfg = resolve(cfg, world_size(cfg.launcher), say if is_first(cfg.launcher) else None, typed)
        check(cfg, splits)
    except UNFIT as error:
        if isinstance(error, UserError) or not typed:
            raise
        raise UserError(_unfit(arguments.cfg_options, error)) from error
    return cfg


def _unfit(options: list[str], error: Exception) -> str:
    reason = " ".join(str(error).split())[:300]
    return (
        f"--cfg-options {' '.join(options)}: the config cannot be used with this "
        f"({type(error).__name__}: {reason})."
    )


def count_from(runner: Runner, began: float | None) -> None:
    """Let a budget count from when the process began, by `time.monotonic`, if it is known."""
    loop = runner._train_loop
    if began is not None and isinstance(loop, dict) and loop.get("type") == BUDGET_LOOP:
        loop["began"] = began


def start(cfg: Config) -> Runner:
    """MMEngine's Runner for a config that was checked; the first thing to be written to disk."""
    follow_starter()
    join_processes(cfg)
    hooks = cfg.setdefault("default_hooks", {})
    hooks.setdefault("loaded_weights", {"type": "retina_plugin.LoadedWeightsHook"})
    return build_runner(cfg)
