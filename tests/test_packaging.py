import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
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
OLDEST = None  # that the wheel allows
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
    return copied(tmp_path_factory.mktemp("checkout"))


def copied(root):
    """A checkout of nothing but what a build reads."""
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root)
    return root


def built(checkout, kind):
    """A folder with the built distribution in it."""
    site = checkout.parent / f"{checkout.name}_{kind}"
    script = f"from hatchling import build; print(build.build_{kind}({str(site)!r}))"
    site.mkdir()
    subprocess.run([sys.executable, "-c", script], cwd=checkout, check=True, capture_output=True)
    return site


def installed(checkout, kind):
    """A folder with the built wheel in it, as pip would leave it in site-packages."""
    site = built(checkout, kind)
    with zipfile.ZipFile(next(site.glob("*.whl"))) as archive:
        archive.extractall(site)
    return site


@pytest.fixture(scope="module")
def wheel(checkout):
    return installed(checkout, "wheel")


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    return built(copied(tmp_path_factory.mktemp("source")), "sdist")


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


def test_the_source_distribution_builds_the_same_wheel(wheel, sdist, tmp_path):
    with tarfile.open(next(sdist.glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    direct, again = (next(place.glob("*.whl")) for place in (wheel, built(source, "wheel")))
    assert again.name == direct.name
    assert again.read_bytes() == direct.read_bytes()


def test_the_description_links_to_nothing_that_only_a_checkout_has(wheel):
    text = metadata(wheel).get_payload()
    links = re.findall(r"\]\(([^)]*)\)|\]:\s*(\S+)|(?:src|href)=[\"']?([^\"' >]+)", text)
    targets = ["".join(found) for found in links]
    assert targets
    assert [target for target in targets if not target.startswith("https://")] == []
    assert metadata(wheel)["Description-Content-Type"] == "text/markdown"
    assert text.startswith("# retina_plugin\n")


def test_an_index_takes_both_distributions(wheel, sdist):
    files = [*wheel.glob("*.whl"), *sdist.glob("*.tar.gz")]
    command = [sys.executable, "-m", "twine", "check", "--strict", *files]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("PASSED") == 2


def test_every_source_is_of_the_oldest_python(wheel):
    for path in (wheel / "retina_plugin").rglob("*.py"):
        ast.parse(path.read_text(), feature_version=(3, 10))


def lowest(requirement):
    return min(spec.version for spec in requirement.specifier if spec.operator == ">=")


@pytest.fixture
def environment(wheel, tmp_path):
    """An environment as pip sees it: distributions that are nothing but name and version."""
    venv.create(tmp_path / "venv", with_pip=False)
    (site,) = (tmp_path / "venv").glob("[Ll]ib/**/site-packages")

    def fill(**versions):
        for name, version in versions.items():
            folder = site / f"{name}-{version}.dist-info"
            folder.mkdir()
            text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            (folder / "METADATA").write_text(text)
        return next((tmp_path / "venv").glob("[bS]*/python*"))

    return fill


def would_install(python, wheel, *places):
    """What pip would do there, without a network."""
    options = ["--dry-run", "--quiet", "--report", "-", "--no-index", "--isolated"]
    options += [f"--find-links={place}" for place in places]
    command = [sys.executable, "-m", "pip", "--python", python, "install", *options]
    done = subprocess.run([*command, wheel], capture_output=True, text=True, check=True)
    found = [each["metadata"] for each in json.loads(done.stdout)["install"]]
    return {each["name"] for each in found}


@pytest.mark.parametrize(
    "stack",
    [
        {"mmengine": "0.10.7", "mmcv": "2.1.0", "mmdet": "3.3.0", "pycocotools": OLDEST},
        {"mmengine": "0.10.7", "mmcv_lite": "2.1.0", "mmdet": "3.3.0", "pycocotools": OLDEST},
        {"onedl_mmengine": "0.10.12", "onedl_mmcv": "2.3.6", "onedl_mmdetection": "3.5.1"},
    ],
    ids=["mmcv", "mmcv-lite", "onedl"],
)
def test_it_is_added_to_an_environment_and_nothing_in_it_changes(
    wheel, environment, tmp_path, stack
):
    needed = [Requirement(text) for text in metadata(wheel).get_all("Requires-Dist")]
    oldest = {one.name: lowest(one) for one in needed if not one.marker}
    here = {name: oldest.get(name, version) for name, version in {**oldest, **stack}.items()}
    if "pycocotools" not in stack:
        del here["pycocotools"]
    index = tmp_path / "index"
    index.mkdir()
    for name in {*here, *oldest}:
        stub_wheel(index, name, oldest.get(name, "1"))
        stub_wheel(index, name, "99")
    added = would_install(environment(**here), next(wheel.glob("*.whl")), index)
    assert added == {"retina_plugin"} | ({"pycocotools"} - set(here))


def stub_wheel(folder, name, version):
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        archive.writestr(f"{info}/METADATA", text)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def test_it_is_added_to_this_environment_and_nothing_in_it_changes(tmp_path, tmp_path_factory):
    newer = copied(tmp_path_factory.mktemp("newer"))
    file = newer / "retina_plugin" / "__init__.py"
    file.write_text(file.read_text().replace(f'"{retina_plugin.__version__}"', '"99"'))
    wheel = next(built(newer, "wheel").glob("*.whl"))
    assert would_install(sys.executable, wheel) == {"retina_plugin"}


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
