from pathlib import Path

import pytest

from retina_plugin.analysis.comparison.candidates import candidates, path_of
from retina_plugin.errors import UserError

CONFIGS = Path(__file__).parents[3] / "configs"
RETINANET = str(CONFIGS / "retinanet_r18.py")
FCOS = "mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py"
FASTER = "mmdet::faster_rcnn/faster-rcnn_r18_fpn_8xb8-amp-lsj-200e_coco.py"


@pytest.fixture
def weights(tmp_path):
    for name in ("early", "late"):
        (tmp_path / f"{name}.pth").touch()
    return tmp_path


def test_a_model_is_a_file_or_of_the_zoo_with_or_without_weights(weights):
    ours, zoo = candidates([f"{RETINANET}={weights / 'early.pth'}", FCOS])
    assert (ours.name, ours.checkpoint) == ("retinanet_r18", str(weights / "early.pth"))
    assert (zoo.name, zoo.checkpoint) == ("fcos_r50-caffe_fpn_gn-head_1x_coco", None)
    assert zoo.path.is_file()


def test_one_config_with_two_checkpoints_is_two_models(weights):
    found = candidates([f"{RETINANET}={weights / name}.pth" for name in ("early", "late")])
    assert [each.name for each in found] == ["retinanet_r18 (early)", "retinanet_r18 (late)"]


def test_names_grow_until_they_differ(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for name in ("m.py", "iter_9.pth"):
            (tmp_path / folder / name).write_text("")
    a, b = (tmp_path / folder for folder in ("a", "b"))
    found = candidates([f"{a}/m.py={a}/iter_9.pth", f"{a}/m.py={b}/iter_9.pth"])
    assert [each.name for each in found] == ["a_m (a/iter_9.pth)", "a_m (b/iter_9.pth)"]
    assert [each.name for each in candidates([f"{a}/m.py", f"{b}/m.py"])] == ["a_m", "b_m"]


def test_a_long_name_of_one_is_not_the_short_name_of_another(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "m.py").write_text("")
    (tmp_path / "a_m.py").write_text("")
    found = candidates([str(tmp_path / name) for name in ("a/m.py", "b/m.py", "a_m.py")])
    assert [each.name for each in found][:2] == ["a_m", "b_m"]
    assert found[2].name == f"{tmp_path.name}_a_m"


@pytest.mark.parametrize(
    ("specs", "words"),
    [
        (["gone.py"], "there is no config gone.py: give a file, or mmdet::"),
        (["mmdet::fcos/gone.py"], "there is no config mmdet::fcos/gone.py"),
        ([f"{RETINANET}=gone.pth"], "there is no file gone.pth"),
        ([f"{RETINANET}="], "the name of a checkpoint is expected after ="),
        ([FCOS, FCOS], "is named twice"),
        ([RETINANET, str(CONFIGS / "_base_" / ".." / "retinanet_r18.py")], "is named twice"),
    ],
)
def test_what_is_not_there_is_said(specs, words):
    with pytest.raises(UserError, match=words):
        candidates(specs)


def test_a_path_of_the_zoo_is_found_without_importing_its_package_data():
    assert path_of(FASTER).name == "faster-rcnn_r18_fpn_8xb8-amp-lsj-200e_coco.py"


def test_a_config_may_have_an_equals_sign_in_its_name(tmp_path):
    (tmp_path / "lr=1.py").write_text("")
    (found,) = candidates([str(tmp_path / "lr=1.py")])
    assert (found.name, found.checkpoint) == ("lr=1", None)
