import os
import subprocess
import sys
import threading

import pytest

from retina_plugin.engine import lifetime

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

# A child that says it is ready and then waits for more than the test takes.
CHILD = (
    "import sys, time; sys.path[:0] = {path!r}\n"
    "from retina_plugin.engine.lifetime import find_starter, follow_starter\n"
    "follow_starter(); print(find_starter(), flush=True); time.sleep(60)"
)
PARENT = (
    "import os, subprocess, sys\n"
    "own = {**os.environ, **{name: str(os.getpid()) for name in sys.argv[2:]}}\n"
    "subprocess.run([sys.executable, '-W', 'ignore', '-c', sys.argv[1]], env=own)"
)


@pytest.fixture(autouse=True)
def without_torchrun(monkeypatch):
    monkeypatch.delenv(lifetime.AGENT_VARIABLE, raising=False)
    monkeypatch.delenv(lifetime.STARTER_VARIABLE, raising=False)


def test_without_mim_torchrun_is_followed(monkeypatch):
    monkeypatch.setattr(lifetime, "_command", lambda pid: ["bash"])
    monkeypatch.setenv(lifetime.AGENT_VARIABLE, "none")
    assert lifetime.find_starter() == os.getppid()


def test_a_process_without_mim_follows_nobody(monkeypatch):
    before = threading.active_count()
    monkeypatch.setattr(lifetime, "_command", lambda pid: ["bash"])
    assert lifetime.find_starter() is None
    lifetime.follow_starter()
    assert threading.active_count() == before


def test_a_tool_of_ours_is_followed_before_torchrun(monkeypatch):
    monkeypatch.setattr(lifetime, "_command", lambda pid: ["bash"])
    monkeypatch.setenv(lifetime.AGENT_VARIABLE, "none")
    monkeypatch.setenv(lifetime.STARTER_VARIABLE, "1234")
    assert lifetime.find_starter() == 1234
    monkeypatch.setenv(lifetime.STARTER_VARIABLE, "somebody")
    assert lifetime.find_starter() == os.getppid()


def test_mim_is_found_within_three_generations(monkeypatch):
    family = {100: ["python", "worker.py"], 101: ["python", "launch"], 102: ["python", "mim"]}
    monkeypatch.setattr(lifetime.os, "getpid", lambda: 99)
    monkeypatch.setattr(lifetime, "_stat", lambda pid: ["S", str(pid + 1)])
    monkeypatch.setattr(lifetime, "_command", lambda pid: family[pid])
    assert lifetime.find_starter() == 102
    family[102] = ["python", "-W", "ignore", "-m", "mim", "train", "retina_plugin"]
    assert lifetime.find_starter() == 102
    family[102], family[103] = ["bash"], ["mim"]
    assert lifetime.find_starter() is None


def test_an_unreadable_ancestor_ends_the_search(monkeypatch):
    def refuse(pid):
        raise PermissionError

    monkeypatch.setattr(lifetime, "_command", refuse)
    assert lifetime.find_starter() is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("starter", "variables"), [("mim", []), ("tool.py", [lifetime.STARTER_VARIABLE])]
)
def test_a_training_ends_with_what_started_it(tmp_path, starter, variables):
    file = tmp_path / starter
    file.write_text(PARENT)
    command = [sys.executable, str(file), CHILD.format(path=sys.path), *variables]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline().strip() == str(parent.pid)
        parent.kill()
        # The child holds the other end of the pipe: it closes when the child has ended.
        assert parent.stdout.read() == ""
