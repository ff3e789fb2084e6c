"""What tests of several processes share."""

import socket

import pytest

from retina_plugin.engine.distributed import leave_processes


@pytest.fixture
def one_process(monkeypatch):
    """The environment of a torchrun with one process; the group that a test opens is closed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {"RANK": 0, "WORLD_SIZE": 1, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    variables |= {"OMP_NUM_THREADS": 1, "MKL_NUM_THREADS": 1}  # MMEngine sets them where they lack
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    yield
    leave_processes()
