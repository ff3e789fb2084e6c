"""What is shown while a command runs, from the log that MMEngine writes."""

import os
import sys

import pytest
from rich.console import Console

from retina_plugin.demo.progress import follow, last_error, one_core_left, watch
from retina_plugin.engine.lifetime import STARTER_VARIABLE
from retina_plugin.errors import UserError

LOG = """
train_cfg = dict(max_epochs=4, type='EpochBasedTrainLoop')
11/20 22:31:22 - mmengine - INFO - Epoch(train) [2][ 50/100]  lr: 4e-05  eta: 0:02:30  time: 3.2
11/20 22:33:22 - mmengine - INFO - Epoch(test) [20/25]    eta: 0:00:05  time: 0.3
"""


def test_log_lines_become_share_and_time_left():
    shown = []
    watch(LOG.splitlines(), lambda *words: shown.append(words))
    assert shown == [
        (0.375, "epoch 2 of 4, 38%, 0:02:30 left"),
        (0.8, "validation scenes, 80%, 0:00:05 left"),
    ]


def test_command_is_followed_and_its_output_kept(tmp_path):
    console = Console(record=True, width=100, force_terminal=False)
    command = [sys.executable, "-c", f"print({LOG!r})"]
    follow(console, "training", command, tmp_path / "log")
    assert "Epoch(train) [2][ 50/100]" in (tmp_path / "log").read_text()
    assert "training: epoch 2 of 4, 38%, 0:02:30 left" in console.export_text()


def test_command_that_fails_is_an_error_with_its_last_word(tmp_path):
    command = [sys.executable, "-c", "import sys; sys.exit('error: no such folder')"]
    with pytest.raises(UserError, match="training failed: no such folder"):
        follow(Console(quiet=True), "training", command, tmp_path / "log")


@pytest.mark.parametrize(("cores", "threads"), [(1, "1"), (2, "1"), (8, "7")])
def test_one_core_is_left_to_others(cores, threads, tmp_path, monkeypatch):
    assert one_core_left(cores) == {"OMP_NUM_THREADS": threads}
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    command = [sys.executable, "-c", "import os; print(os.environ['OMP_NUM_THREADS'])"]
    follow(Console(quiet=True), "training", command, tmp_path / "log")
    assert (tmp_path / "log").read_text() == f"{threads}\n"


def test_command_is_told_whose_it_is(tmp_path):
    command = [sys.executable, "-c", f"import os; print(os.environ[{STARTER_VARIABLE!r}])"]
    follow(Console(quiet=True), "training", command, tmp_path / "log")
    assert int((tmp_path / "log").read_text()) == os.getpid()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("error: no folder x.\nTraceback\nCalledProcessError: exit status 1\n", "no folder x"),
        ("ValueError: no boxes.\ncleaning up\n", "ValueError: no boxes"),
        ("python: No module named mim\n\n", "python: No module named mim"),
        ("", "it ended without a word"),
    ],
)
def test_last_error_is_our_sentence_else_an_error_line_else_the_last_line(text, word, tmp_path):
    (tmp_path / "log").write_text(text)
    assert last_error(tmp_path / "log") == word
