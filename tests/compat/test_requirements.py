import importlib.util
import re
import subprocess
import sys
import warnings

import mmengine
import numpy as np
import pytest
import torch

from retina_plugin import compat
from retina_plugin.compat import requirements
from retina_plugin.compat.requirements import (
    check_pkg_resources,
    check_requirements,
    check_version,
    import_or_explain,
)


@pytest.mark.parametrize("name", ["torch", "numpy", *requirements.NEEDED])
def test_a_missing_package_is_named_with_what_to_install(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=f"needs {name}, which is not installed: .*pip install"):
        check_requirements()


def test_a_package_that_refuses_its_neighbours_is_quoted(monkeypatch, tmp_path):
    (tmp_path / "strict_package.py").write_text("assert False, 'MMCV==2.2.0 is incompatible'")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match=r"cannot be imported \(MMCV==2.2.0 is incompatible\)"):
        import_or_explain("strict_package")


def test_a_package_that_fails_is_quoted_alone(monkeypatch, tmp_path):
    (tmp_path / "homeless_package.py").write_text("raise RuntimeError('set an absolute HOME')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match=r"^homeless_package cannot be imported: set an"):
        import_or_explain("homeless_package")


@pytest.mark.parametrize("raised", ["MemoryError", "OSError('x.so: failed to map segment from')"])
def test_full_memory_is_not_taken_for_a_wrong_version(monkeypatch, tmp_path, raised):
    (tmp_path / "large_package.py").write_text(f"raise {raised}")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match=r"^large_package cannot be imported: .*too little mem"):
        import_or_explain("large_package")


def test_a_missing_package_behind_a_package_is_quoted(monkeypatch, tmp_path):
    (tmp_path / "leaning_package.py").write_text("import absent_package")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match=r"cannot be imported \(No module named 'absent_package"):
        import_or_explain("leaning_package")


def test_a_package_that_is_there_is_returned():
    assert import_or_explain("mmengine") is mmengine


@pytest.mark.parametrize(("version", "needed"), [("0.10.7", True), ("0.10.12", False)])
def test_pkg_resources_is_asked_for_where_mmengine_uses_it(monkeypatch, version, needed):
    monkeypatch.setattr(mmengine, "__version__", version)
    check_pkg_resources()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    if needed:
        with pytest.raises(ImportError, match=r'pkg_resources, .*pip install "setuptools.*<82'):
            check_pkg_resources()
    else:
        check_pkg_resources()


@pytest.mark.parametrize("version", ["2.2", "2.2.0", "2.2.0a0+git12", "2.10.1", "3.0"])
def test_a_version_newer_than_those_tried_warns(version):
    with pytest.warns(UserWarning, match=rf"lib >=2.1.1, <2.2, not with {re.escape(version)}"):
        check_version("lib", version, "2.1.1", "2.2")


@pytest.mark.parametrize("version", ["1.9.3", "2.1", "2.1.0", "2.0.5+cu121"])
def test_a_version_that_is_too_old_is_refused(version):
    with pytest.raises(ImportError, match=rf"lib >=2.1.1, but {re.escape(version)} is installed"):
        check_version("lib", version, "2.1.1", "2.2")


@pytest.mark.parametrize("version", ["2.1.1", "2.1.9+cpu", "2.1.1rc1", "2.1.10"])
def test_a_version_in_the_tried_range_is_silent(version):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_version("lib", version, "2.1.1", "2.2")


def test_a_pytorch_of_another_numpy_is_named_with_what_to_install(monkeypatch):
    def from_numpy(array):
        raise RuntimeError("Numpy is not available")

    monkeypatch.setattr(torch, "from_numpy", from_numpy)
    monkeypatch.setattr(np, "__version__", "2.3.1")
    with pytest.raises(ImportError, match=r"numpy 2.3.1 \(Numpy is not available\).*\"numpy<2\""):
        check_requirements()


def test_versions_of_all_listed_packages_are_compared(monkeypatch):
    compared = []
    monkeypatch.setattr(requirements, "check_version", lambda name, *_: compared.append(name))
    check_requirements()
    assert compared == list(requirements.TRIED)


def test_a_second_apply_does_nothing(monkeypatch):
    monkeypatch.setattr(compat, "check_requirements", lambda: pytest.fail("checked again"))
    compat.apply()  # the first was the import of the package


@pytest.mark.parametrize("name", ["torch", "numpy", "mmengine"])
def test_importing_the_package_without_another_ends_in_that_sentence(name):
    program = f"import sys; sys.modules[{name!r}] = None; import retina_plugin"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith(f"ImportError: retina_plugin needs {name}, which is not installed")
