"""Several processes without a GPU, which MMEngine's launcher does not provide for."""

import gc
import os
from datetime import timedelta
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from torch import distributed as torch_distributed

from ..bounds import POSITIVE, check_number
from ..errors import UserError
from ..registry import MODEL_WRAPPERS

SIZE_VARIABLES = {
    "pytorch": "WORLD_SIZE",
    "slurm": "SLURM_NTASKS",
    "mpi": "OMPI_COMM_WORLD_SIZE",
}
RANK_VARIABLES = {"pytorch": "RANK", "slurm": "SLURM_PROCID", "mpi": "OMPI_COMM_WORLD_RANK"}


@MODEL_WRAPPERS.register_module()
class CPUDistributedDataParallel(MMDistributedDataParallel):
    """MMEngine's wrapper for modules on the CPU, where a device id is an error.

    Args:
        module: the model.
        device_ids: what MMEngine passes in; not used.
        broadcast_buffers: whether rank 0's buffers are copied in each step.
        **options: as in `MMDistributedDataParallel`.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        device_ids: list[int] | None = None,
        broadcast_buffers: bool = False,
        **options: object,
    ) -> None:
        super().__init__(module, broadcast_buffers=broadcast_buffers, **options)


def unwrapped(model: Any) -> Any:
    """The detector inside of what distributes it or augments it at test time."""
    while hasattr(model, "module"):
        model = model.module
    return model


def _from_environment(launcher: str, variable: str) -> int:
    if variable not in os.environ:
        raise UserError(
            f"--launcher {launcher} expects the variable {variable}, which its start command sets: "
            "use `mim train retina_plugin CONFIG --launcher pytorch --gpus N`, torchrun or srun."
        )
    return int(os.environ[variable])


def world_size(launcher: str) -> int:
    """How many processes train together.

    Raises:
        UserError: the tool was not started by the launcher that it was told.
    """
    return 1 if launcher == "none" else _from_environment(launcher, SIZE_VARIABLES[launcher])


def is_first(launcher: str) -> bool:
    """Whether this process is the one that speaks for all."""
    return launcher == "none" or _from_environment(launcher, RANK_VARIABLES[launcher]) == 0


def join_processes(cfg: Config) -> None:
    """Opens the process group where there is no GPU; with GPUs MMEngine's Runner does.

    After torchrun's restart it is opened here in any case: torchrun (PyTorch 2.13) keeps the store
    of the first start, in which the addresses of dead processes are.

    Raises:
        UserError: a launcher that works with GPUs only, or fewer GPUs than processes.
    """
    if cfg.launcher == "none":
        return
    dist_cfg = cfg.get("env_cfg", {}).get("dist_cfg", {})
    timeout = dist_cfg.get("timeout")
    if torch.cuda.is_available():
        _check_enough_gpus()
        if restarts() and cfg.launcher == "pytorch":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
            _open(dist_cfg.get("backend", "nccl"), timeout)
        return
    if cfg.launcher != "pytorch":
        raise UserError(f"--launcher {cfg.launcher} needs GPUs: use --launcher pytorch on a CPU.")
    _open("gloo", timeout)
    wrapper: dict[str, Any] = {"type": "retina_plugin.CPUDistributedDataParallel"}
    if cfg.get("find_unused_parameters"):  # MMEngine passes it to its own wrapper alone
        wrapper["find_unused_parameters"] = True
    cfg.setdefault("model_wrapper_cfg", wrapper)


def leave_processes() -> None:
    """Closes the process group after a run that succeeded and whose Runner is gone.

    A process that ends with an open group is aborted now and then by a thread of the group that
    asks for a Python that has ended (PyTorch's pull request 179291), and NCCL warns of it. After
    an error in one process the group stays open: the others may be waiting in it.
    """
    if torch_distributed.is_initialized():
        # It frees the model's reducer, which would wait for the group's threads forever; and a
        # thread that waits for Python, to free a tensor, gets it before PyTorch 2.1 waits for it.
        gc.collect()
        torch_distributed.destroy_process_group()


def restarts() -> int:
    """How often torchrun has started the processes again."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0))


def _open(backend: str, timeout: Any) -> None:
    """Open the process group in a part of the store that is this start's own.

    Args:
        backend: gloo or nccl.
        timeout: seconds that a process waits for the others; None for PyTorch's own.
    """
    if timeout is not None:
        check_number("env_cfg.dist_cfg", "timeout", timeout, POSITIVE)
    options: dict[str, Any] = {} if timeout is None else {"timeout": timedelta(seconds=timeout)}
    store, rank, size = next(torch_distributed.rendezvous("env://"))
    own = torch_distributed.PrefixStore(f"start_{restarts()}", store)
    torch_distributed.init_process_group(backend, store=own, rank=rank, world_size=size, **options)


def _check_enough_gpus() -> None:
    here = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    if here > torch.cuda.device_count():
        raise UserError(
            f"{here} processes were started on a machine with {torch.cuda.device_count()} GPUs: "
            "start at most one per GPU."
        )
