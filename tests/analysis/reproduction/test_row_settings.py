from pathlib import Path

import pytest
from mmengine.config import Config

from retina_plugin.analysis.reproduction.row_settings import differences, settings_of
from retina_plugin.recipe import resolve

ROW = Path(__file__).parents[3] / "configs" / "ablations" / "table1b_gamma2.py"


def resolved(gpus, **changes):
    cfg = Config.fromfile(ROW)
    cfg.merge_from_dict({key.replace("__", "."): value for key, value in changes.items()})
    return resolve(cfg, gpus, say=None)


def test_differences_are_said_in_words():
    assert differences({"a": {"b": [1]}, "c": 1}, {"a": {"b": (1,)}, "c": 2}) == [
        "c is 1, the row's 2"
    ]
    assert differences([{"x": 1}], [{"x": 1}, 5], "p") == ["p.1 is None, the row's 5"]


@pytest.mark.parametrize(
    ("gpus", "changes"),
    [
        (1, {}),
        (3, {}),  # lengths are rounded
        (64, {}),
        (1, {"train_dataloader__batch_size": 1}),
        (2, {"optim_wrapper__accumulative_counts": 4}),
    ],
)
def test_another_number_of_gpus_or_images_has_the_same_settings(gpus, changes):
    """The paper's 16 images a step, and what other machines make of them."""
    assert differences(settings_of(resolved(gpus, **changes)), settings_of(resolved(8))) == []


def test_one_scheduler_need_not_stand_in_a_list():
    cfg = resolved(8)
    cfg.param_scheduler = cfg.param_scheduler[1]
    (milestones,) = (each["milestones"] for each in settings_of(cfg)["schedule"])
    assert milestones == [0.667, 0.889]


@pytest.mark.parametrize(
    "changes",
    [
        {"custom_hooks": [{"type": "EMAHook"}]},
        {"optim_wrapper__paramwise_cfg": {"bias_lr_mult": 2.0}},
        {"train_dataloader__sampler__type": "ClassAwareSampler"},
        {"train_dataloader__batch_sampler": None},
    ],
)
def test_what_else_changes_a_training_is_another_experiment(changes):
    assert differences(settings_of(resolved(8, **changes)), settings_of(resolved(8)))


def test_the_seed_of_a_sampler_is_not():
    changes = {"train_dataloader__sampler__seed": 5}
    assert not differences(settings_of(resolved(8, **changes)), settings_of(resolved(8)))
