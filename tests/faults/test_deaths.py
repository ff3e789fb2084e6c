import sys

import pytest

from retina_plugin.faults import deaths

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


# The others differ from these by the signal; tools/torture.py tries all.
CHOSEN = (
    deaths.rank_dies,
    deaths.torchrun_dies,
    deaths.mim_dies,
    deaths.rank_dies_under_max_restarts,
    deaths.shell_dies,
)


@pytest.mark.parametrize("death", CHOSEN, ids=lambda death: death.__name__)
def test_the_job_ends_or_goes_on_as_it_should(death):
    assert death() is None
