"""What the losses of an image are divided by."""

import subprocess

import pytest
import torch

from retina_plugin import Normaliser

POSITIVES = torch.tensor([4, 0, 1])


def test_image_is_the_mean_over_images_of_one_over_positives():
    """(1/4, 1/max(0, 1), 1/1) / 3."""
    factors = Normaliser("image")(POSITIVES)
    torch.testing.assert_close(factors, torch.tensor([1 / 12, 1 / 3, 1 / 3]))


def test_batch_is_one_over_the_sum_of_at_least_one_positive():
    """MMDetection: 4 + max(0, 1) + 1 = 6."""
    torch.testing.assert_close(Normaliser("batch")(POSITIVES), torch.full((3,), 1 / 6))


def test_global_in_one_process_is_batch():
    assert torch.equal(Normaliser("global")(POSITIVES), Normaliser("batch")(POSITIVES))


def test_ema_keeps_nine_tenths_and_starts_at_a_hundred():
    """100 -> .9 * 100 + .1 * 6 = 90.6 -> .9 * 90.6 + .1 * 6 = 82.14."""
    normaliser = Normaliser("ema")
    torch.testing.assert_close(normaliser(POSITIVES), torch.full((3,), 1 / 90.6))
    torch.testing.assert_close(normaliser(POSITIVES), torch.full((3,), 1 / 82.14))


def test_ema_moves_in_training_only():
    normaliser = Normaliser("ema").eval()
    normaliser(POSITIVES)
    assert normaliser.running.item() == 100
    with torch.no_grad():
        normaliser.train()(POSITIVES)
    assert normaliser.running.item() == 100


@pytest.mark.parametrize(
    ("kind", "keys"), [("image", []), ("batch", []), ("global", []), ("ema", ["running"])]
)
def test_only_ema_has_a_state(kind, keys):
    assert list(Normaliser(kind).state_dict()) == keys


def test_unknown_kind_is_an_error():
    with pytest.raises(ValueError, match="one of .*'image'.* but got 'sum'"):
        Normaliser("sum")


SCRIPT = """
import sys
from pathlib import Path
import torch
from retina_plugin import Normaliser
from retina_plugin.engine.distributed import leave_processes

torch.distributed.init_process_group("gloo")
rank = torch.distributed.get_rank()
factor = Normaliser("global")(torch.tensor([[6, 2], [0]][rank]))[0].item()
Path(sys.argv[1], f"rank{rank}").write_text(str(factor))
leave_processes()
"""


@pytest.mark.slow
def test_global_is_the_mean_over_processes(torchrun, tmp_path):
    """Sums 8 and max(0, 1) = 1 of two processes: both divide by 4.5."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    subprocess.run([*torchrun, script, tmp_path], check=True)
    factors = [float((tmp_path / f"rank{rank}").read_text()) for rank in (0, 1)]
    assert factors == [pytest.approx(1 / 4.5)] * 2
