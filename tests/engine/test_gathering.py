"""Results of several processes come over the process group, in the order of the images."""

import subprocess

import pytest

from retina_plugin.engine.gathering import over_process_group
from retina_plugin.engine.metric import CocoMetric

SCRIPT = """
import json, sys
from torch import distributed
import retina_plugin
from retina_plugin.engine.distributed import leave_processes
from retina_plugin.engine.metric import CocoMetric

class Kept(CocoMetric):
    def compute_metrics(self, results):
        with open(sys.argv[1], "w") as file:
            json.dump(results, file)
        return {"images": len(results)}

distributed.init_process_group("gloo")
rank = distributed.get_rank()
metric = Kept()
metric.results = [0, 2, 4] if rank == 0 else [1, 3, 0]  # the loader fills up with the first
numbers = metric.evaluate(size=5)
assert numbers == {"coco/images": 5}, numbers
leave_processes()
"""


def test_the_process_group_is_the_default_and_a_choice_stays():
    assert CocoMetric().collect_device == "gpu"
    assert CocoMetric(collect_device="cpu").collect_device == "cpu"
    assert over_process_group({"collect_dir": "a"}) == {"collect_dir": "a"}


@pytest.mark.slow
def test_two_processes_share_no_folder(torchrun, tmp_path):
    script = tmp_path / "gather.py"
    script.write_text(SCRIPT)
    here = tmp_path / "here"
    here.mkdir()
    subprocess.run([*torchrun, script, tmp_path / "results.json"], check=True, cwd=here)
    assert (tmp_path / "results.json").read_text() == "[0, 1, 2, 3, 4]"
    assert list(here.iterdir()) == []
