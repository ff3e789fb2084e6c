import pytest

from retina_plugin.errors import UserError
from retina_plugin.recipe.safe_names import check_safe_names


@pytest.mark.parametrize(
    "options",
    [
        {"train_dataloader__dataset__ann_file": "a.pkl"},
        {"train_dataloader__dataset__proposal_file": "proposals/a.PKL"},
        {"val_evaluator__ann_file": "a.pickle"},
        {"val_dataloader__dataset__pipeline__0__proposals": ["a.json", "b.pkl"]},
    ],
)
def test_pickled_data_is_refused_by_key_and_name(load, options):
    with pytest.raises(UserError, match=r"^(train|val)_\S+: \S+ is a pickle"):
        check_safe_names(load("retinanet_r18", **options), ("train", "val"))


def test_files_that_are_written_may_be_pickles(load):
    cfg = load("retinanet_r18", val_evaluator__out_file_path="a.pkl")
    check_safe_names(cfg, ("train", "val"))


def test_data_of_splits_that_do_not_run_is_not_looked_at(load):
    check_safe_names(load("retinanet_r18", test_dataloader__dataset__ann_file="a.pkl"), ("train",))


@pytest.mark.parametrize("key", ["model__test_cfg__nms__type", "tta_model__tta_cfg__nms__type"])
def test_the_kind_of_nms_is_a_name_of_mmcv(load, key):
    """mmcv evaluates it as Python."""
    check_safe_names(load("retinanet_r18", **{key: "soft_nms"}), ("test",))
    for text in ("open('a', 'w')", "NMSop.apply", "torch", "no", None):
        with pytest.raises(UserError, match=r"nms.type: mmcv has no NMS"):
            check_safe_names(load("retinanet_r18", **{key: text}), ("test",))
