"""The quick tests on the stacks that users have: `make matrix`, or `nox -s "tests(torch-2.1)"`.

A session makes an environment, runs the tests, writes their numbers into `docs/results/matrix/`,
and removes the environment, which takes up to 8 GB.
"""

import os
import shutil
from pathlib import Path

import nox

RESULTS = Path("docs/results/matrix")
EXTRAS = ".[stock,mim,demo,test]"
OPENMMLAB = {"mmengine": "0.10.7", "mmcv-lite": "2.1.0", "mmdet": "3.3.0"}
OLDEST = {
    "mmengine": "0.10.7",
    "mmcv-lite": "2.0.1",
    "mmdet": "3.0.0",
    "pycocotools": "2.0.7",
}
# What `make test` runs, in as many processes.
QUICK = ("-m", "not slow", "-n", "auto", "--maxprocesses", "4", "--dist", "worksteal")
# Python, and the versions that are asked for; pip chooses the rest to fit them.
STACKS: dict[str, tuple[str, dict[str, str]]] = {
    "torch-2.1": ("3.11", {"torch": "2.1.2", "numpy": "1.26.4", **OPENMMLAB}),
    "torch-2.4": ("3.11", {"torch": "2.4.1", "numpy": "1.26.4", **OPENMMLAB}),
    "torch-2.8": ("3.11", {"torch": "2.8.0", "numpy": "2.3.5", **OPENMMLAB}),
    "torch-2.13": ("3.11", {"torch": "2.13.0", **OPENMMLAB}),
    "torch-2.14": ("3.11", {"torch": "2.14.1", "torchvision": "0.29.1", **OPENMMLAB}),
    "newest": ("3.11", {}),  # 2.15 on 2026-11-30
    "python-3.10": ("3.10", {"torch": "2.1.2", "numpy": "1.26.4", **OLDEST}),
    "python-3.13": ("3.13", {"torch": "2.8.0", **OPENMMLAB}),
}

nox.options.sessions = ["tests"]


@nox.session(python=False)
@nox.parametrize("stack", STACKS, ids=STACKS)
def tests(session: nox.Session, stack: str) -> None:
    """Run the tests on one stack."""
    python, versions = STACKS[stack]
    folder = Path(session.create_tmp()) / stack
    pinned = [f"{name}=={version}" for name, version in versions.items()]
    constraints = folder.with_suffix(".txt")
    # 82 lacks pkg_resources, which packages that are built from source may ask for.
    constraints.write_text("\n".join([*pinned, "setuptools>=77.0.3,<82"]) + "\n")
    environment = {**os.environ, "PIP_CONSTRAINT": str(constraints.resolve())}
    report = folder.with_suffix(".xml")
    binary = folder / "bin" / "python"
    try:
        session.run(f"python{python}", "-m", "venv", "--clear", str(folder), external=True)
        first = [each for each in pinned if each.startswith(("torch", "numpy"))] or ["torch"]
        for requirements in (first, ["--editable", EXTRAS]):
            session.run(
                str(binary),
                "-m",
                "pip",
                "install",
                "--quiet",
                *requirements,
                env=environment,
                external=True,
            )
        session.run(
            str(binary),
            "-m",
            "pytest",
            *("-p", "no:cacheprovider", f"--junitxml={report}", *QUICK, *session.posargs),
            env={"OMP_NUM_THREADS": "1"},
            success_codes=[0, 1],
            external=True,
        )
        RESULTS.mkdir(parents=True, exist_ok=True)
        session.run(
            str(binary),
            "-m",
            "retina_plugin.analysis.compatibility",
            str(report),
            str(RESULTS / f"{stack}.json"),
            "docs/compatibility.md",
            external=True,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
