import pytest

from retina_plugin.analysis.metafile import metrics_of, models_in
from retina_plugin.errors import UserError


@pytest.mark.parametrize("text", ["Models: [{Name: a}]", "[{Name: a}]"])
def test_models_are_a_list_or_under_a_key(tmp_path, text):
    (tmp_path / "metafile.yml").write_text(text)
    assert models_in(tmp_path / "metafile.yml") == [{"Name": "a"}]


@pytest.mark.parametrize("text", [None, "Models:", "Collections: []", "[1]", "a: ["])
def test_another_file_is_an_error_that_names_it(tmp_path, text):
    if text is not None:
        (tmp_path / "metafile.yml").write_text(text)
    with pytest.raises(UserError, match=r"metafile.yml is expected to be a metafile"):
        models_in(tmp_path / "metafile.yml")


def test_boxes_are_what_this_is_about():
    result = {"Metrics": {"box AP": 1.0, "AP50": 2.0, "mask AP": 3.0}}
    assert metrics_of(result) == {"AP": 1.0, "AP50": 2.0, "mask AP": 3.0}
    assert metrics_of({}) == metrics_of({"Metrics": None}) == {}
