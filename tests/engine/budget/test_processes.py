"""Several processes: the first decides, all follow."""

import json
import subprocess

import pytest

# One process is five times as fast as the other, and has another clock.
SCRIPT = """
import json, os, sys
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.hooks import Hook

import retina_plugin
from retina_plugin.engine.budget import stopwatch
from retina_plugin.engine.distributed import join_processes, leave_processes
from retina_plugin.errors import UserError
from retina_plugin.faults.small_training import small_runner

rank, folder, seconds = int(os.environ["RANK"]), Path(sys.argv[1]), float(sys.argv[2])
now = 100.0 * rank
stopwatch.clock = lambda: now

class Machine(Hook):
    priority = "VERY_HIGH"
    def after_train_iter(self, runner, *_, **__):
        global now
        now += seconds * (1 + 4 * rank)

cfg = Config({"launcher": "pytorch"})
join_processes(cfg)
samples = [{"inputs": torch.tensor([i, 1.0 - i])} for i in range(8)]
cfg.work_dir = str(folder)
runner = small_runner(
    folder,
    launcher="pytorch",
    cfg=cfg,
    train_cfg={"type": "retina_plugin.BudgetTrainLoop", "minutes": 1, "max_epochs": 4},
    train_dataloader={
        "dataset": samples, "sampler": {"type": "InfiniteSampler"}, "batch_size": 2
    },
    param_scheduler=[{"type": "MultiStepLR", "by_epoch": True, "milestones": [3]}],
    default_hooks={
        "checkpoint": {"type": "retina_plugin.ShareCheckpointHook", "interval": 1},
        "param_scheduler": {"type": "retina_plugin.ShareSchedulerHook"},
    },
)
runner.register_hook(Machine())
try:
    runner.train()
    weights = sum(float(each.sum()) for each in runner.model.parameters())
    rate = runner.optim_wrapper.get_lr()["lr"][0]
    result = [runner.iter, runner.train_loop.plan.numbers(), rate, weights]
except UserError as error:
    result = str(error)
(folder / f"{rank}.json").write_text(json.dumps(result))
del runner
leave_processes()
"""


@pytest.fixture
def results(torchrun, tmp_path):
    """What both processes end with, whose first one takes so many seconds for an iteration."""

    def run(seconds):
        script = tmp_path / "script.py"
        script.write_text(SCRIPT)
        subprocess.run([*torchrun, script, tmp_path, str(seconds)], check=True, timeout=200)
        return [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]

    return run


@pytest.mark.slow
def test_all_processes_have_the_plan_of_the_first(results):
    first, second = results(0.25)
    assert first == second
    iterations, _, rate, _ = first
    assert abs(iterations - (60 - 3.6) / 0.25) <= 2
    assert rate == pytest.approx(0.01)


@pytest.mark.slow
def test_all_processes_end_with_the_same_sentence(results):
    first, second = results(20.0)
    assert "minutes=1 is too short" in first
    assert first.partition("give it")[2] == second.partition("give it")[2] != ""
