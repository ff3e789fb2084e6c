from types import SimpleNamespace

import pytest

from retina_plugin.analysis.arguments import check_device, check_folder, check_positive
from retina_plugin.errors import UserError


def test_numbers_above_0_and_what_was_not_given_pass():
    check_positive(SimpleNamespace(images=1, minutes=0.5, seeds=None), "images", "minutes", "seeds")


@pytest.mark.parametrize("number", [0, -1, 0.0, float("nan"), float("inf")])
def test_another_number_is_an_error_that_names_the_option(number):
    with pytest.raises(UserError, match="--work-days expects a number above 0, but got"):
        check_positive(SimpleNamespace(work_days=number), "work_days")


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    check_device("cpu")
    with pytest.raises(UserError, match="--device cuda: PyTorch finds no GPU here"):
        check_device("cuda")


def test_a_file_is_no_folder(tmp_path):
    check_folder(tmp_path, "--out")
    check_folder(tmp_path / "new", "--out")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="--out expects a folder, but .*file is a file"):
        check_folder(tmp_path / "file", "--out")
