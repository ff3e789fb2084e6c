import pytest

from retina_plugin.analysis.dataset_name import data_of, evaluation_data
from retina_plugin.errors import UserError


def test_data_are_told_apart_by_their_annotations(tmp_path):
    (tmp_path / "annotations").mkdir()
    with pytest.raises(UserError, match="annotations holds no JSON file"):
        data_of(tmp_path)
    (tmp_path / "annotations" / "train.json").write_text("{}")
    before = data_of(tmp_path)
    (tmp_path / "annotations" / "train.json").write_text("{ }")
    assert before.split()[0] == data_of(tmp_path).split()[0] == tmp_path.name
    assert before != data_of(tmp_path)


def test_what_a_config_evaluates_on_is_told_apart_too(tiny_config):
    cfg = tiny_config()
    name, digest = evaluation_data(cfg).split()
    assert (name, len(digest)) == ("val.json", 14)
    cfg.val_dataloader.dataset.ann_file = "gone.json"
    assert evaluation_data(cfg) == "gone.json (not there)"
    assert evaluation_data(cfg, "test").startswith("val.json (")
    cfg.val_dataloader = None
    assert evaluation_data(cfg) == "none"
