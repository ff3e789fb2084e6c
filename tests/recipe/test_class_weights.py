import pytest
from mmdet.registry import MODELS

from retina_plugin.errors import UserError
from retina_plugin.recipe import resolve
from retina_plugin.recipe.class_weights import alphas


def test_alpha_is_inverse_and_its_mean_over_objects_is_kept():
    found = alphas([100, 300, 600], 0.25)
    assert found[0] == pytest.approx(6 * found[2])
    assert sum(n * a for n, a in zip([100, 300, 600], found, strict=True)) == pytest.approx(250)


def test_rare_classes_are_bounded_and_absent_ones_get_the_mean():
    assert alphas([1, 9999], 0.25) == [0.99, pytest.approx(0.125, abs=1e-4)]
    assert alphas([0, 10], 0.25) == [0.25, 0.25]
    assert alphas([0, 0], 0.25) == [0.25, 0.25]


@pytest.fixture
def custom(load, tmp_path, write_coco):
    """Of `cat` there are three objects and a crowd, of `dog` one."""
    objects = [{"category_id": 1}] * 3 + [{"category_id": 1, "iscrowd": 1}, {"category_id": 2}]
    for split in ("train", "val"):
        image = tmp_path / "images" / "a.png"
        write_coco(tmp_path / "annotations" / f"{split}.json", image, annotations=objects)

    def build(alpha):
        cfg = load("retinanet_custom", data_root=str(tmp_path))
        cfg.model.bbox_head.loss_cls.alpha = alpha
        return cfg

    return build


def test_a_config_gets_a_number_for_each_class_and_says_so(custom):
    said = []
    cfg = resolve(custom({"inverse_frequency": 0.25}), say=said.extend)
    assert cfg.model.bbox_head.loss_cls.alpha == [pytest.approx(1 / 6), pytest.approx(1 / 2)]
    assert any("cat 0.17, dog 0.5" in str(change) for change in said)
    assert MODELS.build(cfg.model.bbox_head.loss_cls).alpha == (1 / 6, 1 / 2)
    assert resolve(cfg, say=None).model.bbox_head.loss_cls.alpha == [1 / 6, 1 / 2]


def test_coco_knows_its_classes_by_itself(load, tmp_path, write_coco):
    """The dataset's type has them, and the config names none."""
    objects = [{"category_id": 1}] * 3 + [{"category_id": 2}]
    image = tmp_path / "train2017" / "a.png"
    file = tmp_path / "annotations" / "instances_train2017.json"
    write_coco(file, image, ("person", "bicycle"), annotations=objects)
    cfg = load("retinanet_r50", data_root=f"{tmp_path}/")
    cfg.model.bbox_head.loss_cls.alpha = {"inverse_frequency": 0.25}
    found = resolve(cfg, say=None).model.bbox_head.loss_cls.alpha
    assert found == [pytest.approx(1 / 6), pytest.approx(1 / 2), *[0.25] * 78]


@pytest.mark.parametrize("alpha", [{}, {"inverse_frequency": 2}, {"frequency": 0.25}])
def test_another_dict_is_an_error(custom, alpha):
    with pytest.raises(UserError, match=r"alpha expects a number, a list, or dict\(inverse"):
        resolve(custom(alpha), say=None)
