import sys

import pytest

from retina_plugin.faults import deaths

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


@pytest.mark.parametrize("death", deaths.DEATHS, ids=lambda death: death.__name__)
def test_the_job_ends_and_leaves_no_process(death):
    assert death() is None
