import signal
import sys

import pytest

from retina_plugin.faults import deaths

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


# The others differ from these by the signal; tools/torture.py tries all.
CHOSEN = (
    "a rank dies",
    "torchrun dies",
    "mim dies",
    "a rank dies under --max-restarts",
    "the shell dies",
)


@pytest.mark.parametrize("name", CHOSEN)
def test_the_job_ends_or_goes_on_as_it_should(name):
    assert deaths.DEATHS[name]() is None


def test_what_is_started_hears_hangups_under_nohup_too(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        started = deaths.Job(tmp_path, ["sleep", "60"]).process
        started.send_signal(signal.SIGHUP)
        assert started.wait(30) == -signal.SIGHUP
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
