import ast
from collections import Counter
from pathlib import Path

import mmdet
import pytest
import yaml
from mmdet.registry import MODELS
from mmengine.config import Config

from retina_plugin.recipe import resolve
from retina_plugin.recipe.names import check_names

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"
STOCK = Path(mmdet.__file__).parent / ".mim" / "configs"
RECIPES = sorted(path for path in CONFIGS.rglob("*.py") if "_base_" not in path.parts)
SHIPPED = [path.relative_to(CONFIGS).with_suffix("").as_posix() for path in RECIPES]
# Detectors of MMDetection to compare with.
RIVALS = [name for name in SHIPPED if name.startswith("compare/") and "compare_retina" not in name]
OURS = [name for name in SHIPPED if name not in RIVALS]
OF_THE_PAPER = [name for name in SHIPPED if name.startswith(("retinanet_r", "retinanet_x"))]


def read(name):
    return Config.fromfile(CONFIGS / f"{name}.py")


def test_names_are_unique_for_mim_which_searches_by_basename():
    everything = [*CONFIGS.rglob("*.py"), *(ROOT / "retina_plugin").rglob("*.py")]
    count = Counter(path.name for path in everything)
    assert [path.name for path in RECIPES if count[path.name] > 1] == []


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.py")), ids=lambda path: path.name)
def test_configs_import_nothing(path):
    tree = ast.parse(path.read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_each_config_begins_with_command_hardware_cost_and_expectation(path):
    text = ast.get_docstring(ast.parse(path.read_text()))
    places = [text.index(word) for word in ("Command:", "Hardware:", "Cost:", "Expect:")]
    assert places == sorted(places)
    assert path.name in text


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_an_expected_ap_names_its_source(name):
    expectation = ast.get_docstring(ast.parse((CONFIGS / f"{name}.py").read_text()))
    expectation = expectation.partition("Expect:")[2]
    assert "paper" in expectation or "MMDetection" in expectation


def test_the_model_index_lists_every_config():
    index = yaml.safe_load((ROOT / "model-index.yml").read_text())
    listed = [
        model["Config"]
        for file in index["Import"]
        for model in yaml.safe_load((ROOT / file).read_text())["Models"]
    ]
    assert set(listed) == {f"configs/{name}.py" for name in SHIPPED}


@pytest.mark.parametrize("name", RIVALS)
def test_rivals_are_mmdetections_and_download_nothing(name):
    cfg = read(name)
    check_names(cfg, ("train", "val", "test"))
    model = MODELS.build(cfg.model)
    assert type(model).__module__.startswith("mmdet.")
    assert (cfg.model.backbone.get("init_cfg") or {}).get("type") != "Pretrained"
    frozen = [key for key, weight in model.named_parameters() if not weight.requires_grad]
    assert frozen == []  # random weights have to train


@pytest.mark.parametrize("name", OURS)
def test_every_name_in_a_config_exists_and_the_model_is_built(name):
    cfg = read(name)
    cfg.model.bbox_head.num_classes = 3
    check_names(cfg, ("train", "val", "test"))
    model = MODELS.build(cfg.model)
    assert type(model.neck).__name__ == "RetinaFPN"
    assert model.bbox_head.num_classes == 3


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_pretrained_weights_have_an_address_with_a_hash(name):
    checkpoint = read(name).model.backbone.init_cfg.checkpoint
    assert checkpoint.startswith("https://")
    stem = Path(checkpoint).stem
    assert len(stem.rpartition("-")[2]) >= 8
    int(stem.rpartition("-")[2], 16)


@pytest.mark.parametrize("name", [name for name in OF_THE_PAPER if "table2" not in name])
def test_the_schedule_is_the_papers(name):
    cfg = read(name)
    assert cfg.train_cfg.max_iters == 90000
    assert cfg.param_scheduler[1].milestones == [60000, 80000]
    assert cfg.param_scheduler[1].gamma == 0.1
    assert cfg.optim_wrapper.optimizer == {
        "type": "SGD",
        "lr": 0.01,
        "momentum": 0.9,
        "weight_decay": 0.0001,
    }
    assert cfg.auto_scale_lr.base_batch_size == 8 * cfg.train_dataloader.batch_size == 16


@pytest.mark.parametrize("name", ["retinanet_r101_table2", "retinanet_x101_table2"])
def test_table_2_trains_half_as_long_again_at_several_scales(name):
    cfg = resolve(read(name), world_size=8, say=None)
    assert cfg.train_cfg.max_iters == 135000
    assert cfg.param_scheduler[1].milestones == [90000, 120000]
    resize = cfg.train_dataloader.dataset.pipeline[2]
    assert [short for _, short in resize.scales] == list(range(640, 801, 32))
    assert cfg.test_dataloader.dataset.pipeline[1].scale == (1333, 800)


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_flipping_is_the_only_other_augmentation(name):
    kinds = [one["type"] for one in read(name).train_dataloader.dataset.pipeline]
    assert [kind for kind in kinds if kind not in ("Resize", "RandomChoiceResize")] == [
        "LoadImageFromFile",
        "LoadAnnotations",
        "RandomFlip",
        "PackDetInputs",
    ]


def test_caffe2_weights_get_caffe2_images():
    preprocessor = read("retinanet_x101").model.data_preprocessor
    assert preprocessor.bgr_to_rgb is False
    assert preprocessor.mean == [103.53, 116.28, 123.675]
    assert preprocessor.std == [57.375, 57.12, 58.395]


def test_the_mmdet_preset_differs_from_stock_in_type_names_only():
    ours = read("presets/mmdet")
    stock = Config.fromfile(STOCK / "retinanet" / "retinanet_r50_fpn_1x_coco.py")
    assert difference(ours.model, stock.model) == {
        "backbone.init_cfg.checkpoint",
        "neck.type",
        "neck.relu_before_extra_convs",
        "bbox_head.type",
        "bbox_head.loss_cls.type",
        "bbox_head.normaliser",
        "bbox_head.prior_prob",
        "train_cfg.assigner.type",
        "train_cfg.assigner.match_low_quality",
    }
    assert ours.model.neck.relu_before_extra_convs is False
    assert ours.model.bbox_head.normaliser == "batch"
    assert ours.model.train_cfg.assigner.match_low_quality is True
    for key in ("train_cfg", "param_scheduler", "optim_wrapper", "auto_scale_lr"):
        assert ours[key] == stock[key], key
    assert ours.train_dataloader.sampler == stock.train_dataloader.sampler


def difference(one, other, prefix=""):
    keys = set()
    for key in one.keys() | other.keys():
        left, right = one.get(key), other.get(key)
        if isinstance(left, dict) and isinstance(right, dict):
            keys |= difference(left, right, f"{prefix}{key}.")
        elif left != right:
            keys.add(f"{prefix}{key}")
    return keys
