import pytest
from mmdet.registry import EVALUATOR

from retina_plugin.errors import UserError
from retina_plugin.recipe.names import check_names

ALL = ("train", "val", "test")


@pytest.mark.parametrize("name", ["retinanet_r18", "retinanet_x101", "presets/mmdet"])
def test_shipped_configs_name_what_exists(load, name):
    check_names(load(name), ALL)


@pytest.mark.parametrize(
    ("key", "wrong", "right"),
    [
        ("train_dataloader__dataset__type", "CocoDatset", "CocoDataset"),
        ("val_evaluator__type", "CocoMetrik", "CocoMetric"),
        ("default_hooks__timer__type", "IterTimeHook", "IterTimerHook"),
        ("optim_wrapper__optimizer__type", "SDG", "SGD"),
        ("optim_wrapper__type", "OptimWraper", "OptimWrapper"),
        ("train_dataloader__dataset__type", "retina_plugin.CocoData", "retina_plugin.CocoDataset"),
    ],
)
def test_a_wrong_name_comes_with_its_key_and_the_nearest(load, key, wrong, right):
    with pytest.raises(UserError, match=f"{wrong}', did you mean '{right}'") as caught:
        check_names(load("retinanet_r18", **{key: wrong}), ALL)
    assert str(caught.value).startswith(key.replace("__", "."))


@pytest.mark.skipif(
    "MultiDatasetsEvaluator" not in EVALUATOR, reason="this MMDetection has one evaluator a run"
)
def test_several_datasets_have_an_evaluator_of_their_own(load):
    cfg = load("retinanet_r18")
    metrics = [cfg.val_evaluator]
    cfg.val_evaluator = {"type": "MultiDatasetsEvaluator", "metrics": metrics}
    check_names(cfg, ALL)
    cfg.val_evaluator.type = "MultiDatasetEvaluators"
    with pytest.raises(UserError, match="val_evaluator.type: .*mean 'MultiDatasetsEvaluator'"):
        check_names(cfg, ALL)
    cfg.val_evaluator = {"metrics": [{"type": "CocoMetrik"}]}
    with pytest.raises(UserError, match="val_evaluator.metrics.0.type: .*mean 'CocoMetric'"):
        check_names(cfg, ALL)


def test_wrong_names_in_wrappers_are_found(load):
    cfg = load("retinanet_r18")
    inner = cfg.train_dataloader.dataset
    cfg.train_dataloader.dataset = {"type": "RepeatedDataset", "dataset": inner, "times": 2}
    with pytest.raises(UserError, match="train_dataloader.dataset.type: .*mean 'RepeatDataset'"):
        check_names(cfg, ALL)


def test_wrong_names_in_lists_are_found(load):
    cfg = load("retinanet_r18", custom_hooks=[{"type": "NoHook"}])
    with pytest.raises(UserError, match="custom_hooks.0.type"):
        check_names(cfg, ALL)
    cfg = load("retinanet_r18", param_scheduler=[{"type": "NoLR"}])
    with pytest.raises(UserError, match="param_scheduler.0.type"):
        check_names(cfg, ALL)
    cfg = load("retinanet_r18")
    cfg.train_dataloader.dataset.pipeline[0].type = "Zzz"
    with pytest.raises(UserError, match="train_dataloader.dataset.pipeline.0.type.*no 'Zzz'"):
        check_names(cfg, ALL)


def test_a_wrong_name_inside_the_model_is_one_line(load):
    with pytest.raises(UserError, match=r"^model: NoNeck is not in .*registry") as caught:
        check_names(load("retinanet_r18", model__neck__type="NoNeck"), ALL)
    assert "\n" not in str(caught.value)


def test_what_only_training_uses_is_not_needed_for_testing(load):
    check_names(load("retinanet_r18", optim_wrapper__type="Missing"), ("test",))


def test_the_config_stays_as_it_was(load):
    cfg = load("retinanet_r18")
    before = cfg.model.to_dict()
    check_names(cfg, ALL)
    assert cfg.model.to_dict() == before
