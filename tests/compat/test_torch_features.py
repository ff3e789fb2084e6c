"""Stand-ins for what older versions of PyTorch lack."""

import subprocess
import sys

import pytest
import torch

from retina_plugin.compat import torch_features
from retina_plugin.compat.torch_features import cpu_capabilities, outside_graphs

X86 = "processor\t: 0\nflags\t\t: fpu avx2 avx512_bf16\n\nprocessor\t: 1\nflags\t\t: fpu\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd bf16\n"


@pytest.mark.parametrize(("content", "flag"), [(X86, "avx512_bf16"), (ARM, "bf16")])
def test_without_pytorchs_list_linux_names_the_instructions(content, flag, tmp_path, monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr(torch_features, "CPU_INFO", tmp_path / "cpuinfo")
    torch_features._flags_of_linux.cache_clear()
    (tmp_path / "cpuinfo").write_text(content)
    assert cpu_capabilities()[flag]
    assert not cpu_capabilities().get("amx_bf16", False)
    torch_features._flags_of_linux.cache_clear()


def test_without_either_nothing_is_known(tmp_path, monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr(torch_features, "CPU_INFO", tmp_path / "absent")
    torch_features._flags_of_linux.cache_clear()
    assert not cpu_capabilities()
    torch_features._flags_of_linux.cache_clear()


def test_what_stays_outside_of_graphs_is_not_traced():
    is_traced = []

    @outside_graphs
    def double(x):
        is_traced.append(torch._dynamo.is_compiling())  # torch.compiler has it from 2.3 on
        return x * 2

    assert double(torch.ones(1)) == 2
    torch._dynamo.reset()
    compiled = torch.compile(lambda x: double(x + 1) + 1, backend="eager")
    assert compiled(torch.ones(1)) == 5
    assert is_traced == [False, False]


def test_importing_the_package_loads_no_compiler():
    """MMEngine's runner does by itself with some versions of PyTorch (2.4)."""
    code = (
        "import sys, mmengine.runner; before = 'torch._dynamo' in sys.modules; "
        "import retina_plugin; sys.exit(not before and 'torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False).returncode == 0
