import pytest

from retina_plugin.analysis.dataset_name import data_of
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
