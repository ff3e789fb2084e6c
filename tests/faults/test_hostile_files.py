"""Nothing that a file holds is executed, and no file is opened that must not be."""

import gc

import pytest

from retina_plugin.faults import hostile_configs, hostile_data
from retina_plugin.faults.hostile_files import KINDS, ROWS, fault_of

CODE = [kind for kind in KINDS if kind not in hostile_data.KINDS]

pytestmark = [
    # MMEngine leaves its own copy of a config that cannot be read open.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.mark.parametrize("kind", CODE, ids=lambda kind: kind.name)
def test_nothing_is_executed_and_the_reason_is_said(kind):
    fault = fault_of(kind, is_ours=True)
    if kind in hostile_configs.KINDS:
        gc.collect()
    assert fault is None


def test_there_are_many_kinds_each_with_a_name_of_its_own():
    assert len({kind.name for kind in KINDS}) == len(KINDS) == ROWS[0].trials >= 40


@pytest.mark.parametrize("name", ["http", "open-mmlab://", "YAML, apply", "pickled proposals"])
def test_the_marks_are_real(name):
    """The same file, opened by MMEngine's own function."""
    kind = next(kind for kind in KINDS if kind.name == name)
    fault = fault_of(kind, is_ours=False)
    gc.collect()
    assert fault == f"{name}: executed"
