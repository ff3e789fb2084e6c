"""A run never goes on with other weights than those that it was given."""

import shutil

import pytest

from retina_plugin.faults.breakages import SERIAL, SINGLE
from retina_plugin.faults.broken_checkpoints import CASES, ROWS, STILL, USES, fault_of, make_plain
from retina_plugin.faults.small_training import silence, small_runner


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    work_dir = tmp_path_factory.mktemp("trained")
    with silence():
        small_runner(work_dir, optim_wrapper=STILL).train()
    return work_dir


def whole(good, broken):
    broken.write_bytes(good.read_bytes())


@pytest.mark.parametrize("use", USES)
def test_a_whole_checkpoint_is_gone_on_with(use, trained):
    assert fault_of(("whole", whole, use), trained, is_ours=True) is None


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", SINGLE)
def test_a_broken_one_is_not(name, use, trained):
    assert fault_of((name, SINGLE[name], use), trained, is_ours=True) is None


@pytest.mark.slow
def test_neither_is_one_that_is_cut_or_changed_anywhere():
    outcome = ROWS[0].ours(ROWS[0].trials)
    assert outcome.passed, outcome.failures
    assert outcome.trials == len(SINGLE) * len(USES) + len(SERIAL) == len(CASES)


@pytest.mark.filterwarnings("ignore:You are using `torch.load`:FutureWarning")  # torch 2.4
def test_other_weights_are_seen(trained, tmp_path):
    """The same fault, met by MMEngine's own parts."""
    plain = tmp_path / "plain"
    shutil.copytree(trained, plain)
    make_plain(plain)
    case = "NaN", SINGLE["NaN"], "test"
    assert "is not the saved one" in fault_of(case, plain, is_ours=False)
