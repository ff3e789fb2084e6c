import ast
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / "tools"


def run(*words, **options):
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        **options,
    )


def sentence_of(done):
    """What a program said at its end; PyTorch 2.4 warns of a part of its own whatever is set."""
    *before, sentence = done.stderr.splitlines()
    assert all("TorchScript" in line or line.startswith("  ") for line in before), done.stderr
    return sentence


@pytest.mark.parametrize("name", ["train", "test"])
def test_help_needs_no_package_and_does_not_make_mim_add_a_flag(name):
    # -S: without site-packages, so help cannot wait for torch.
    done = run("-S", TOOLS / f"{name}.py", "-h")
    assert done.returncode == 0, done.stderr
    assert "--cfg-options" in done.stdout
    assert "--gpus" not in done.stdout


@pytest.mark.parametrize("path", sorted(TOOLS.glob("*.py")), ids=lambda path: path.name)
def test_a_tool_imports_only_the_standard_library_at_its_top(path):
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            name = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
            assert name.split(".")[0] in sys.stdlib_module_names


def test_a_mistake_is_one_sentence_and_exit_code_1(tmp_path):
    done = run(TOOLS / "train.py", "gone.py", cwd=tmp_path)
    assert done.returncode == 1
    assert sentence_of(done) == "error: there is no config file gone.py."
    assert list(tmp_path.iterdir()) == []


def test_a_demo_without_minutes_is_one_sentence(tmp_path):
    done = run(TOOLS / "demo.py", "--minutes", "0", cwd=tmp_path)
    assert done.returncode == 1
    assert sentence_of(done) == "error: --minutes expects a number > 0, but got 0.0."
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_make_demo_counts_from_its_beginning_and_installs_what_it_needs():
    def words(*options):
        command = ["make", "-n", "-B", "demo", *options]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert re.search(r"tools/demo.py --minutes 10 --began \d{10}", words())
    assert "--minutes 30 --began" in words("MINUTES=30")
    assert '".[stock,mim,demo]"' in words()
    assert "test]" not in words()


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_a_checkout_that_was_moved_gets_another_environment(tmp_path):
    def words():
        command = ["make", "-n", "test"]
        done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True)
        return done.stdout

    checkout = tmp_path / "a 'b' (c,d)"
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to(sys.executable)
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "hatch_build.py"):
        shutil.copy(ROOT / name, checkout)
    assert "-m venv --clear .venv" in words()
    (checkout / ".venv" / "runs").write_text(f"{checkout.resolve()}\n")
    (checkout / ".venv" / "installed").touch()
    assert "venv --clear" not in words()
    (checkout / ".venv" / "runs").write_text("/elsewhere\n")
    assert "-m venv --clear .venv" in words()
    (checkout / ".venv" / "runs").write_text(f"{checkout.resolve()}\n")
    (checkout / ".venv" / "bin" / "python").unlink()
    assert "-m venv --clear .venv" in words()


@pytest.mark.slow
def test_a_missing_package_is_one_sentence(tmp_path):
    (tmp_path / "mmengine.py").write_text("raise ModuleNotFoundError('x', name='mmengine')")
    script = f"import sys, runpy; sys.path.insert(0, {str(tmp_path)!r}); sys.argv[1:] = ['a.py']\n"
    script += f"runpy.run_path({str(TOOLS / 'train.py')!r}, run_name='__main__')"
    done = run("-c", script)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_two_processes_train_and_evaluate_on_a_cpu(tiny_config, tmp_path):
    tiny_config().dump(tmp_path / "tiny.py")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = ["-m", "torch.distributed.run", "--nproc_per_node=2", f"--master_port={port}"]
    trained = run(*launcher, TOOLS / "train.py", "tiny.py", "--launcher", "pytorch", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    # 2 processes of 4 images each, over 4 images: one iteration.
    assert "8 (4 x 2 processes x 1 accumulated)" in trained.stdout
    checkpoint = tmp_path / "work" / "epoch_1.pth"
    tested = run(
        *launcher, TOOLS / "test.py", "tiny.py", checkpoint, "--launcher", "pytorch", cwd=tmp_path
    )
    assert tested.returncode == 0, tested.stderr
    numbers = [
        re.findall(
            r"coco/bbox_mAP: ([\d.]+)  coco/bbox_mAP_50: ([\d.]+)", done.stdout + done.stderr
        )
        for done in (trained, tested)
    ]
    # The processes' batch statistics were made one before validation and checkpoint.
    assert numbers[0] == numbers[1] != []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["train", "test"])
def test_options_that_are_given_apart_are_all_taken(tmp_path, name):
    """The first is the broken one: MMEngine's own tools take it too."""
    (tmp_path / "a.py").write_text("a = 1")
    words = ["a.py", *(["weights.pth"] if name == "test" else [])]
    done = run(
        TOOLS / f"{name}.py", *words, "--cfg-options", "b", "--cfg-options", "a=2", cwd=tmp_path
    )
    assert sentence_of(done) == "error: --cfg-options expects KEY=VALUE, not b."
