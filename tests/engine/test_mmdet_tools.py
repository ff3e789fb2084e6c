"""MMDetection's own tools run on mmcv-lite, as they would from a shell."""

import argparse
import json
import pickle
import sys
from functools import cache
from pathlib import Path

import matplotlib
import pytest
import torch
from mmengine.config import config as mmengine_config
from mmengine.runner import Runner
from mmengine.runner import runner as mmengine_runner
from mmengine.utils.dl_utils import collect_env

from retina_plugin.engine import mmdet_tools
from retina_plugin.engine.mmdet_tools import find_tool, run_tool, tools_folder
from retina_plugin.errors import UserError

matplotlib.use("agg")


@pytest.fixture(autouse=True)
def process_as_before(monkeypatch, tmp_path):
    """What a tool changes in a process of its own."""
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(torch, "load", torch.load)
    monkeypatch.setattr(mmengine_runner, "collect_env", cache(collect_env))
    monkeypatch.setattr(mmengine_config, "FormatCode", lambda text, **_: (text, True))
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.chdir(tmp_path)
    yield
    for name in ("pred_results", "models_name"):
        if hasattr(argparse.Namespace, name):
            delattr(argparse.Namespace, name)


@pytest.fixture
def config(tiny_config, tmp_path):
    """A config file with everything filled in, as a training leaves it."""
    cfg = tiny_config()
    cfg.test_evaluator.outfile_prefix = str(tmp_path / "found")
    cfg.dump(tmp_path / "tiny.py")
    return tmp_path / "tiny.py"


@pytest.fixture
def checkpoint(tiny_config, tmp_path):
    runner = Runner.from_cfg(tiny_config())
    runner.train()
    return tmp_path / "work" / "epoch_1.pth"


def test_a_tool_is_found_by_its_name_alone_and_with_its_folder():
    root = tools_folder()
    assert find_tool("test") == root / "test.py"
    assert find_tool("browse_dataset") == root / "analysis_tools" / "browse_dataset.py"
    assert find_tool("misc:print_config") == root / "misc" / "print_config.py"


@pytest.mark.skipif(
    not (tools_folder() / "analysis_tools" / "mot").is_dir(),
    reason="this MMDetection has no tracking, and so no two tools of one name",
)
def test_two_tools_of_one_name_are_told_apart_by_the_folder():
    folder = tools_folder() / "analysis_tools"
    assert find_tool("browse_dataset") == folder / "browse_dataset.py"
    assert find_tool("mot:browse_dataset") == folder / "mot" / "browse_dataset.py"


def test_another_name_is_one_sentence_with_the_nearest():
    with pytest.raises(UserError, match=r"no tool brows_dataset, did you mean browse_dataset\?"):
        run_tool("brows_dataset", [])
    with pytest.raises(UserError, match=r"no tool xyzzy; it has .*browse_dataset, .*train"):
        run_tool("xyzzy", [])


def test_a_checkout_has_its_tools_beside_the_package(tmp_path, monkeypatch):
    (tmp_path / "mmdet").mkdir()
    monkeypatch.setattr(mmdet_tools.mmdet, "__file__", str(tmp_path / "mmdet" / "__init__.py"))
    with pytest.raises(UserError, match="without its tools"):
        tools_folder()
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "train.py").touch()
    assert tools_folder() == tmp_path / "tools"


@pytest.fixture
def own_tool(tmp_path, monkeypatch):
    """Write a tool that this MMDetection does not have."""
    monkeypatch.setattr(mmdet_tools, "tools_folder", lambda: tmp_path / "tools")
    (tmp_path / "tools").mkdir()
    return lambda text: (tmp_path / "tools" / "own.py").write_text(text)


def test_a_tool_sees_the_words_and_the_folder_that_a_shell_would_give_it(own_tool, tmp_path):
    own_tool(
        "import json, sys\nfrom pathlib import Path\n"
        "Path('seen.json').write_text(json.dumps([__name__, sys.argv, sys.path[0]]))"
    )
    run_tool("own", ["a.py", "--out", "b"])
    name, words, folder = json.loads((tmp_path / "seen.json").read_text())
    script = str(tmp_path / "tools" / "own.py")
    assert (name, words) == ("__main__", [script, "a.py", "--out", "b"])
    assert folder == str(tmp_path / "tools")


def test_a_missing_package_is_one_sentence(own_tool, monkeypatch):
    own_tool("import retina_plugin_has_no_such_module")
    with pytest.raises(UserError, match="tool own needs retina_plugin_has_no_such_module, which"):
        run_tool("own", [])
    monkeypatch.setitem(mmdet_tools.NEEDED, "own", "retina_plugin_has_no_such_package")
    with pytest.raises(UserError, match=r"run `pip install retina_plugin_has_no_such_package`"):
        run_tool("own", [])


@pytest.mark.filterwarnings("ignore:TypedStorage:UserWarning")  # of torch 2.1's own reader
def test_publish_model_reads_a_checkpoint_of_mmengine(checkpoint):
    with pytest.raises(pickle.UnpicklingError):  # as it would without
        torch.load(checkpoint, weights_only=True)
    before = torch.load
    mmdet_tools.MENDED["publish_model"]()
    read = torch.load(str(checkpoint), map_location="cpu")
    assert {"meta", "state_dict", "message_hub"} <= set(read)
    assert torch.load(checkpoint, weights_only=False).keys() == read.keys()
    with checkpoint.open("rb") as file, pytest.raises(pickle.UnpicklingError):
        torch.load(file, weights_only=True)
    assert torch.load is not before


@pytest.fixture
def found(config, checkpoint):
    run_tool("test", [str(config), str(checkpoint), "--out", "found.pkl"])
    return Path("found.pkl")


# The tools themselves divide by zero, draw without room and leave folders to be collected.
@pytest.mark.filterwarnings("ignore")
def test_detections_are_tested_and_counted(config, found):
    assert len(pickle.loads(found.read_bytes())) == 2
    run_tool("eval_metric", [str(config), str(found)])
    run_tool("confusion_matrix", [str(config), str(found), "matrix"])
    assert Path("matrix/confusion_matrix.png").is_file()


@pytest.mark.skipif(
    not (tools_folder() / "analysis_tools" / "fuse_results.py").is_file(),
    reason="this MMDetection has no fuse_results, and an analyze_results that fails",
)
@pytest.mark.filterwarnings("ignore")
def test_detections_are_looked_at_and_fused(config, found, coco_folder, tmp_path):
    run_tool("analyze_results", [str(config), str(found), "analyzed", "--topk", "1"])
    assert len(list(Path("analyzed").rglob("*.png"))) == 2
    files = [str(tmp_path / "found.bbox.json")] * 2
    truth = ["--annotation", str(coco_folder / "annotations" / "val.json")]
    run_tool("fuse_results", [*files, *truth, "--save-fusion-results", "--out-dir", "fused"])
    assert json.loads(Path("fused/fusion_results.json").read_text())


@pytest.mark.filterwarnings("ignore")
def test_a_config_is_printed_counted_and_browsed(config, capsys):
    run_tool("print_config", [str(config)])
    assert "retina_plugin.RetinaHead" in capsys.readouterr().out
    run_tool("get_flops", [str(config), "--num-images", "1"])
    assert "Flops" in capsys.readouterr().out
    run_tool("browse_dataset", [str(config), "--output-dir", "browsed", "--not-show"])
    assert len(list(Path("browsed").iterdir())) == 4
