import os
import subprocess
import sys

import pytest
import torch
from mmdet.registry import MODELS

from retina_plugin.compat.torch_features import OutOfMemoryError
from retina_plugin.engine.border import exit_code, in_one_sentence
from retina_plugin.errors import UserError


def fails_with(error):
    def run():
        raise error

    return run


def test_success_is_zero_and_silent(capsys):
    assert exit_code(lambda: None) == 0
    assert capsys.readouterr() == ("", "")


def test_a_users_mistake_is_one_line_without_traceback(capsys):
    assert exit_code(fails_with(UserError("a.json is empty."))) == 1
    assert capsys.readouterr().err == "error: a.json is empty.\n"


def test_another_error_keeps_its_traceback_and_ends_with_a_sentence(capsys):
    assert exit_code(fails_with(RuntimeError("odd\nmore"))) == 1
    *trace, last = capsys.readouterr().err.splitlines()
    assert trace[0].startswith("Traceback")
    assert last.startswith("error: unexpected RuntimeError: odd (")


def test_an_error_without_text_still_gives_a_sentence(capsys):
    assert exit_code(fails_with(AssertionError())) == 1
    assert "unexpected AssertionError" in capsys.readouterr().err.splitlines()[-1]


def test_the_sentence_is_found_in_what_a_loader_worker_sends():
    text = (
        "Caught UserError in DataLoader worker process 0.\nOriginal Traceback:\n  File x\n"
        "retina_plugin.errors.UserError: cannot read image a.png.\n"
    )
    assert in_one_sentence(UserError(text)) == "cannot read image a.png."


def test_the_prefix_of_the_registry_is_dropped():
    text = "class `RetinaHead` in retina_plugin/head.py: num_classes is 0."
    assert in_one_sentence(UserError(text)) == "num_classes is 0."


def test_a_file_error_names_the_file(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        (tmp_path / "gone").read_text()
    assert in_one_sentence(caught.value) == f"No such file or directory: {tmp_path / 'gone'}"
    assert in_one_sentence(OSError("only text")) == "only text"


def test_an_unknown_type_name_is_one_line():
    with pytest.raises(KeyError) as caught:
        MODELS.build({"type": "NoSuchModel"})
    assert in_one_sentence(caught.value).startswith("NoSuchModel is not in the mmdet::model regis")


def test_a_full_gpu_says_what_to_try():
    sentence = in_one_sentence(OutOfMemoryError("CUDA out of memory.\nmore"))
    assert sentence == "CUDA out of memory. Try a smaller train_dataloader.batch_size."


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate "
            "memory: you tried to allocate 104857600 bytes. Error code 12"
        ),
    ],
)
def test_a_full_machine_says_what_to_try(error):
    assert in_one_sentence(error).startswith("the machine has too little memory left; try a small")


def test_a_full_machine_is_known_by_pytorchs_own_words():
    with pytest.raises(RuntimeError) as full:
        torch.empty(2**62, dtype=torch.uint8)
    assert "too little memory" in in_one_sentence(full.value)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        (
            "DataLoader worker (pid 7) is killed by signal: Bus error. It",
            "killed by signal: Bus error",
        ),
        ("DataLoader worker (pid(s) 7, 8) exited unexpectedly", "exited unexpectedly"),
    ],
)
def test_a_worker_that_ended_says_what_to_try(text, end):
    sentence = in_one_sentence(RuntimeError(text))
    assert sentence.startswith(f"a worker of a data loader {end}: memory, or shared memory")
    assert "num_workers=0" in sentence


def test_other_key_errors_are_for_developers():
    assert in_one_sentence(KeyError("bbox")) is None


@pytest.mark.slow
def test_a_terminal_without_greek_letters_stops_nothing():
    script = "from retina_plugin.engine.border import exit_code\n"
    script += "raise SystemExit(exit_code(lambda: print('\\u03b3 \\u00b1 1')))"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stdout) == (0, "? ? 1\n"), done.stderr
