"""Two processes with the `global` normaliser have the gradient of one."""

import subprocess
import sys

import pytest
import torch

# Run alone: the whole batch in one process. Run by torchrun: rank 0 has the images with objects,
# rank 1 the one without.
SCRIPT = """
import os, sys
import torch
from torch import distributed
import retina_plugin
from mmdet.utils import register_all_modules
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from retina_plugin.engine.distributed import CPUDistributedDataParallel, leave_processes

register_all_modules()
BOXES = [[[10.0, 10.0, 60.0, 50.0]], [[0.0, 0.0, 50.0, 90.0], [64.0, 64.0, 99.0, 99.0]], []]
MINE = {"none": [0, 1, 2], "0": [0, 1], "1": [2]}[os.environ.get("RANK", "none")]

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.head = retina_plugin.RetinaHead(
            3, 4, stacked_convs=1, feat_channels=8, normaliser="global"
        )
        torch.nn.init.constant_(self.head.retina_cls.bias, -1.0)

    def forward(self, x, samples):
        return sum(self.head.loss(x, samples).values())

def sample(boxes):
    meta = {"img_shape": (128, 128), "pad_shape": (128, 128)}
    result = DetDataSample(metainfo=meta)
    boxes = torch.tensor(boxes).view(-1, 4)
    labels = torch.zeros(len(boxes), dtype=torch.long)
    result.gt_instances = InstanceData(bboxes=boxes, labels=labels)
    result.ignored_instances = InstanceData(bboxes=boxes[:0], labels=labels[:0])
    return result

torch.manual_seed(1)
features = [torch.randn(3, 4, 128 // s, 128 // s)[MINE] for s in (8, 16, 32, 64, 128)]
model = Model()
wrapped = model
if "RANK" in os.environ:
    distributed.init_process_group("gloo")
    wrapped = CPUDistributedDataParallel(model)
wrapped(features, [sample(BOXES[i]) for i in MINE]).backward()
if os.environ.get("RANK", "0") == "0":
    torch.save({name: p.grad for name, p in model.named_parameters()}, sys.argv[1])
if distributed.is_initialized():
    del wrapped  # before the group: its reducer would wait for a thread that waits for Python
    leave_processes()
"""


@pytest.mark.slow
def test_gradient_of_two_processes_is_that_of_one(torchrun, tmp_path):
    script = tmp_path / "gradients.py"
    script.write_text(SCRIPT)
    python = [sys.executable, "-W", "ignore"]
    gradients = []
    for i, launch in enumerate((python, torchrun)):
        subprocess.run([*launch, script, tmp_path / f"{i}.pt"], check=True)
        gradients.append(torch.load(tmp_path / f"{i}.pt"))
    for name, expected in gradients[0].items():
        difference = (gradients[1][name] - expected).norm() / expected.norm()
        assert difference <= 1e-6, name
