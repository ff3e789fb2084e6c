import weakref

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODEL_WRAPPERS
from torch import distributed as torch_distributed

from retina_plugin.engine.distributed import (
    CPUDistributedDataParallel,
    is_first,
    join_processes,
    leave_processes,
    world_size,
)
from retina_plugin.errors import UserError

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="holds without a GPU")


@pytest.mark.parametrize(
    ("launcher", "size", "rank"),
    [
        ("pytorch", "WORLD_SIZE", "RANK"),
        ("slurm", "SLURM_NTASKS", "SLURM_PROCID"),
        ("mpi", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ],
)
def test_size_and_rank_come_from_the_launcher(monkeypatch, launcher, size, rank):
    monkeypatch.setenv(size, "4")
    monkeypatch.setenv(rank, "3")
    assert world_size(launcher) == 4
    assert not is_first(launcher)
    monkeypatch.setenv(rank, "0")
    assert is_first(launcher)


def test_without_a_launcher_one_process_speaks_for_itself():
    assert world_size("none") == 1
    assert is_first("none")


def test_a_launcher_that_did_not_start_this_process_is_an_error(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(UserError, match="--launcher pytorch expects the variable WORLD_SIZE"):
        world_size("pytorch")


def test_one_process_joins_nothing():
    cfg = Config({"launcher": "none"})
    join_processes(cfg)
    assert not torch_distributed.is_initialized()
    assert "model_wrapper_cfg" not in cfg


@no_gpu
def test_on_a_cpu_the_processes_join_through_gloo(one_process):
    cfg = Config({"launcher": "pytorch"})
    join_processes(cfg)
    assert torch_distributed.get_backend() == "gloo"
    assert cfg.model_wrapper_cfg.type == "retina_plugin.CPUDistributedDataParallel"


@no_gpu
def test_the_group_is_closed_after_the_models_reducer(one_process):
    join_processes(Config({"launcher": "pytorch"}))
    wrapped = CPUDistributedDataParallel(torch.nn.Linear(2, 1))
    wrapped.itself = [wrapped]  # a cycle, as Runner and hooks are one
    reducer = weakref.ref(wrapped)
    del wrapped
    leave_processes()
    assert reducer() is None
    assert not torch_distributed.is_initialized()
    leave_processes()  # no group: nothing to do


@no_gpu
def test_the_wrapper_takes_a_device_id_and_does_without(one_process):
    join_processes(Config({"launcher": "pytorch"}))
    kind = MODEL_WRAPPERS.get("retina_plugin.CPUDistributedDataParallel")
    assert kind is CPUDistributedDataParallel
    module = torch.nn.Linear(2, 1)
    wrapped = kind(module, device_ids=[0])
    inputs = torch.ones(3, 2)
    torch.testing.assert_close(wrapped(inputs), module(inputs))
    assert wrapped.broadcast_buffers is False


@no_gpu
def test_other_launchers_need_a_gpu():
    with pytest.raises(UserError, match="--launcher slurm needs GPUs"):
        join_processes(Config({"launcher": "slurm"}))


def test_more_processes_than_gpus_are_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(UserError, match="2 processes were started on a machine with 1 GPUs"):
        join_processes(Config({"launcher": "pytorch"}))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
    join_processes(Config({"launcher": "pytorch"}))
