"""What is shown while a command runs, from the log that MMEngine writes."""

import os
import sys

import pytest
from rich.console import Console

from retina_plugin.demo.progress import follow, last_error, one_core_left, watch
from retina_plugin.engine.lifetime import STARTER_VARIABLE
from retina_plugin.errors import UserError

PLAN = (
    "minutes=7: an iteration takes 0.4 s, so 900 iterations, 890 of them to go; ends at 22:38:00."
)
LOG = f"""
train_cfg = dict(max_epochs=6, minutes=7, type='retina_plugin.BudgetTrainLoop')
11/20 22:31:22 - mmengine - INFO - Iter(train) [  10/1800]  lr: 4e-05  eta: 0:12:30  time: 0.4
11/20 22:31:23 - mmengine - INFO - {PLAN}
11/20 22:34:22 - mmengine - INFO - Iter(train) [450/900]  lr: 4e-05  eta: 0:02:30  time: 0.4
11/20 22:39:22 - mmengine - INFO - Iter(test) [20/25]    eta: 0:00:05  time: 0.3
"""


def words_of(console):
    return console.export_text().splitlines()


def test_log_lines_become_share_and_time_left():
    shown, said = [], []
    watch(LOG.splitlines(), lambda *words: shown.append(words), said.append)
    assert shown == [
        (10 / 1800, "iteration 10 of 1800, 1%, 0:12:30 left"),
        (0.5, "iteration 450 of 900, 50%, 0:02:30 left"),
        (0.8, "validation scenes, 80%, 0:00:05 left"),
    ]
    assert said == [PLAN]


def test_the_time_left_is_that_to_a_known_end(clock):
    shown = []

    def lines():
        for line in LOG.splitlines():
            yield line
            clock.now += 60

    watch(lines(), lambda *words: shown.append(words), print, ends=clock.now + 500)
    assert [words for _, words in shown] == [
        "iteration 10 of 1800, 1%, 6:20 left",
        "iteration 450 of 900, 50%, 4:20 left",
        "validation scenes, 80%, 3:20 left",
    ]


def test_epochs_of_mmengines_log_are_passed_over():
    line = "Epoch(val) [1][10/25]    eta: 0:00:03"
    watch([line], pytest.fail, pytest.fail)


def test_command_is_followed_and_its_output_kept(tmp_path):
    console = Console(record=True, width=200, force_terminal=False)
    command = [sys.executable, "-c", f"print({LOG!r})"]
    follow(console, "training", command, tmp_path / "log")
    assert "Iter(train) [450/900]" in (tmp_path / "log").read_text()
    lines = words_of(console)
    assert f"training: {PLAN}" in lines
    assert "training: iteration 450 of 900, 50%, 0:02:30 left" in lines


def test_a_terminal_has_a_bar(tmp_path):
    console = Console(record=True, width=150, force_terminal=True)
    command = [sys.executable, "-c", f"print({LOG!r})"]
    follow(console, "training", command, tmp_path / "log")
    text = console.export_text()
    assert f"training: {PLAN}" in text
    assert "training: done" in text
    assert "\u2501" in text  # of the bar


def test_without_a_terminal_there_is_a_line_now_and_then(tmp_path):
    console = Console(record=True, width=200, force_terminal=False)
    log = "\n".join(f"Iter(test) [{i}/1000] eta: 0:00:05" for i in range(1, 1001))
    command = [sys.executable, "-c", f"print({log!r})"]
    follow(console, "evaluating", command, tmp_path / "log")
    lines = [line for line in words_of(console) if "validation scenes" in line]
    assert len(lines) == 21
    assert lines[0].startswith("evaluating: validation scenes, 0%")
    assert lines[-1].startswith("evaluating: validation scenes, 100%")


def test_command_that_fails_is_an_error_with_its_last_word(tmp_path):
    command = [sys.executable, "-c", "import sys; sys.exit('error: no such folder')"]
    with pytest.raises(UserError, match="training failed: no such folder"):
        follow(Console(quiet=True), "training", command, tmp_path / "log")


@pytest.mark.parametrize(("cores", "threads"), [(1, "1"), (2, "1"), (8, "7")])
def test_one_core_is_left_to_others(cores, threads, tmp_path, monkeypatch):
    assert one_core_left(cores) == {"OMP_NUM_THREADS": threads}
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    command = [sys.executable, "-c", "import os; print(os.environ['OMP_NUM_THREADS'])"]
    follow(Console(quiet=True), "test", command, tmp_path / "log", one_core_left(cores))
    assert (tmp_path / "log").read_text() == f"{threads}\n"


def test_a_variable_that_is_set_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    command = [sys.executable, "-c", "import os; print(os.environ['OMP_NUM_THREADS'])"]
    follow(Console(quiet=True), "test", command, tmp_path / "log", one_core_left(8))
    assert (tmp_path / "log").read_text() == "3\n"


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
