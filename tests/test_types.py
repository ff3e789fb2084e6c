import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="the `test` extra holds it")

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_annotations_hold(tmp_path):
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
