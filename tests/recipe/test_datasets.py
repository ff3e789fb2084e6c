from mmengine.config import Config

from retina_plugin.recipe.datasets import (
    datasets_of,
    evaluators_of,
    pipelines_of,
    wrappers_of,
    written_for,
)


def test_mmdetections_own_configs_are_written_for_its_paths():
    assert written_for(Config({}))["data_root"] == "data/coco/"


def test_a_recipe_overrides_what_a_config_is_written_for(load):
    assert written_for(load("retinanet_custom"))["data_root"] == "data/custom/"


def test_datasets_come_with_split_and_key(load):
    found = [(split, key) for split, key, _ in datasets_of(load("retinanet_r50"), ("val",))]
    assert found == [("val", "val_dataloader.dataset")]


def test_a_split_without_loader_has_no_dataset(load):
    cfg = load("retinanet_r50", test_dataloader=None, test_evaluator=None)
    assert {split for split, _, _ in datasets_of(cfg)} == {"train", "val"}
    assert list(evaluators_of(cfg, "test")) == []


def test_evaluators_are_found_alone_and_in_a_list(load):
    cfg = load("retinanet_r50")
    assert [key for key, _ in evaluators_of(cfg, "val")] == ["val_evaluator"]
    cfg.val_evaluator = [cfg.val_evaluator, cfg.test_evaluator]
    assert [key for key, _ in evaluators_of(cfg, "val")] == ["val_evaluator.0", "val_evaluator.1"]


def test_metrics_inside_an_evaluator_are_found(load):
    cfg = load("retinanet_r50")
    cfg.val_evaluator = {"type": "MultiDatasetsEvaluator", "metrics": [cfg.val_evaluator]}
    ((key, metric),) = evaluators_of(cfg, "val")
    assert (key, metric.type) == ("val_evaluator.metrics.0", "CocoMetric")


def test_wrappers_stand_round_the_innermost_datasets(load):
    cfg = load("retinanet_r50")
    inner = cfg.train_dataloader.dataset
    both = {
        "type": "ConcatDataset",
        "datasets": [inner, {"type": "RepeatDataset", "dataset": inner}],
    }
    cfg.train_dataloader.dataset = both
    key = "train_dataloader.dataset"
    assert [key for key, _ in wrappers_of(cfg)] == [key, f"{key}.datasets.1"]


def test_pipelines_include_test_time_augmentation(load):
    keys = [key for key, _ in pipelines_of(load("retinanet_r50"))]
    assert keys[0] == "train_dataloader.dataset.pipeline"
    assert keys[-1] == "tta_pipeline"
