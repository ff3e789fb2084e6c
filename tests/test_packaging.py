import os
import shutil
import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path

import pytest
from mmengine.config import Config
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import retina_plugin

ROOT = Path(__file__).parents[1]
SHIPPED = ("configs", "tools")
# What a build reads; a copy of it stands in for a checkout.
SOURCES = (
    "retina_plugin",
    *SHIPPED,
    "pyproject.toml",
    "hatch_build.py",
    "model-index.yml",
    "README.md",
    "LICENSE",
)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    root = tmp_path_factory.mktemp("checkout")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root)
    return root


def installed(checkout, kind):
    """A folder with the built wheel in it, as pip would leave it in site-packages."""
    site = checkout.parent / f"{checkout.name}_{kind}"
    script = f"from hatchling import build; print(build.build_{kind}({str(site)!r}))"
    site.mkdir()
    subprocess.run([sys.executable, "-c", script], cwd=checkout, check=True, capture_output=True)
    with zipfile.ZipFile(next(site.glob("*.whl"))) as archive:
        archive.extractall(site)
    return site


@pytest.fixture(scope="module")
def wheel(checkout):
    return installed(checkout, "wheel")


@pytest.fixture(scope="module")
def editable(checkout):
    return installed(checkout, "editable")


def metadata(site):
    return message_from_string(next(site.glob("*.dist-info/METADATA")).read_text())


def files(root):
    return {
        path.relative_to(root).as_posix()
        for folder in SHIPPED
        for path in (root / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_configs_and_tools_lie_where_mim_looks(request, kind):
    mim = request.getfixturevalue(kind) / "retina_plugin" / ".mim"
    assert files(mim) == files(ROOT)
    assert (mim / "model-index.yml").read_bytes() == (ROOT / "model-index.yml").read_bytes()


def test_a_wheel_carries_the_package_and_its_licence(wheel):
    assert (wheel / "retina_plugin" / "head.py").is_file()
    assert next(wheel.glob("*.dist-info/licenses/LICENSE")).read_text().count("Apache License")
    assert metadata(wheel)["Version"] == retina_plugin.__version__


def test_an_editable_install_reads_a_config_that_was_edited_later(checkout, editable):
    config = checkout / "configs" / "retinanet_r101.py"
    config.write_text(config.read_text() + "\nedited = True\n")
    pointer = editable / "retina_plugin" / ".mim" / "configs" / "retinanet_r101.py"
    assert Config.fromfile(pointer).edited is True
    base = checkout / "configs" / "_base_" / "models" / "r50.py"
    base.write_text(base.read_text().replace("prior_prob=0.01", "prior_prob=0.02"))
    assert Config.fromfile(pointer).model.bbox_head.prior_prob == 0.02


def test_an_editable_install_runs_a_tool_that_was_edited_later(checkout, editable):
    tool = checkout / "tools" / "train.py"
    tool.write_text(tool.read_text().replace("Train a detector.", "Edited."))
    pointer = editable / "retina_plugin" / ".mim" / "tools" / "train.py"
    done = subprocess.run([sys.executable, pointer, "-h"], capture_output=True, text=True)
    assert "Edited." in done.stdout


def test_hard_dependencies_are_three_and_fit_an_installation_that_is_there(wheel):
    needed = [Requirement(text) for text in metadata(wheel).get_all("Requires-Dist")]
    hard = {one.name: one.specifier for one in needed if not one.marker}
    assert set(hard) == {"torch", "numpy", "pycocotools"}
    assert all(version in hard["torch"] for version in ("2.1.0", "2.1.2+cu121", "2.15.0"))
    assert "2.0.1" not in hard["torch"]
    assert all(version in hard["numpy"] for version in ("1.26.0", "2.0.0", "2.5.0"))
    assert "1.25.2" not in hard["numpy"]
    extras = {"stock", "mim", "demo", "fast", "export", "test"}
    assert extras <= set(metadata(wheel).get_all("Provides-Extra"))


def test_the_tested_set_lies_within_the_bounds(wheel):
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    exact = {
        pin.name: next(iter(pin.specifier)).version
        for pin in pins
        if [spec.operator for spec in pin.specifier] == ["=="]
    }
    assert {"torch", "mmengine", "mmdet", "mmcv-lite", "openmim"} <= set(exact)
    for text in metadata(wheel).get_all("Requires-Dist"):
        requirement = Requirement(text)
        if requirement.name in exact:
            assert exact[requirement.name] in requirement.specifier, text


def test_python_versions_are_those_that_are_tried(wheel):
    supported = SpecifierSet(metadata(wheel)["Requires-Python"])
    assert [f"3.{minor}" in supported for minor in (9, 10, 11, 12, 13, 14)] == [
        False,
        True,
        True,
        True,
        True,
        False,
    ]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_mim_trains_a_config_that_inherits_ours_by_package_name(
    request, kind, checkout, tiny_config, tmp_path
):
    site = request.getfixturevalue(kind)
    options = {key: value for key, value in tiny_config().items() if key in ("model", "work_dir")}
    Config({**options, "train_cfg": {"max_epochs": 1}}).dump(tmp_path / "options.py")
    config = tmp_path / "mine.py"
    config.write_text(
        "_base_ = 'retina_plugin::_base_/../retinanet_custom.py'\n"
        + (tmp_path / "options.py").read_text()
    )
    path = [site] if kind == "wheel" else [site, checkout]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONWARNINGS": "ignore",
    }
    root = tiny_config().data_root
    command = ["mim", "train", "retina_plugin", "mine.py", "--cfg-options", f"data_root={root}"]
    command[0] = str(Path(sys.executable).with_name("mim"))
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert f"{site}/retina_plugin/.mim/tools/train.py" in done.stdout
    assert (tmp_path / "work" / "epoch_1.pth").is_file()
