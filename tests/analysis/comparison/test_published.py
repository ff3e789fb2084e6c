from pathlib import Path

import pytest

from retina_plugin.analysis.comparison.candidates import candidates
from retina_plugin.analysis.comparison.published import metafile_rows, published_rows
from retina_plugin.errors import UserError

CONFIGS = Path(__file__).parents[3] / "configs"
TEST_DEV = "COCO test-dev (paper)"


def test_mmdetections_metafile_gives_ap_and_time_with_its_hardware():
    (fcos,) = candidates(["mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py"])
    (row,) = metafile_rows(fcos)
    assert (row.source, row.data, row.metrics) == ("metafile", "COCO", {"AP": 36.6})
    assert (row.milliseconds, row.timed_on) == (44.05, "V100")


def test_results_of_masks_are_not_those_of_boxes():
    (mask,) = candidates(["mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py"])
    (row,) = metafile_rows(mask)
    assert row.metrics == {"AP": 38.2}


def test_a_config_without_metafile_has_no_such_row(tmp_path):
    (tmp_path / "mine.py").write_text("")
    (mine,) = candidates([str(tmp_path / "mine.py")])
    assert metafile_rows(mine) == []


def test_the_papers_test_dev_results_of_retinanet_are_tables_1e_and_2():
    rows = published_rows(CONFIGS / "ablations" / "metafile.yml", TEST_DEV)
    assert len(rows) == 12
    best = {row.model: row for row in rows}["table1e_r101_800"]
    assert best.metrics == {
        "AP": 37.8,
        "AP50": 57.5,
        "AP75": 40.8,
        "APS": 20.2,
        "APM": 41.1,
        "APL": 49.2,
    }
    assert (best.milliseconds, best.timed_on) == (198, "M40")


def test_the_papers_rivals_are_those_of_table_2_and_figure_2():
    rows = published_rows(CONFIGS / "ablations" / "rivals.yml")
    aps = {row.model: row.metrics["AP"] for row in rows}
    assert {aps[name] for name in aps if "Faster R-CNN" in name} == {34.9, 36.2, 34.7, 36.8}
    assert (aps["YOLOv2"], aps["SSD513"], aps["DSSD513"]) == (21.6, 31.2, 33.2)
    assert {row.timed_on for row in rows if row.milliseconds} == {"M40"}


def test_metafiles_of_the_zoo_may_be_lists_or_lack_numbers():
    """The first metafile is a list of models, the second has a result without metrics."""
    several, none = candidates(
        [
            "mmdet::objects365/retinanet_r50-syncbn_fpn_1350k_objects365v1.py",
            "mmdet::dino/dino-4scale_r50_8xb2-24e_coco.py",
        ]
    )
    (row,) = metafile_rows(several)
    assert (row.data, row.metrics) == ("Objects365 v1", {"AP": 18.0})
    assert metafile_rows(none) == []


def test_what_a_paper_prints_is_published_wherever_it_stands():
    (row,) = metafile_rows(candidates([str(CONFIGS / "ablations" / "table1e_r50_600.py")])[0])
    assert row.source == "published"


def test_a_result_without_a_dataset_is_an_error(tmp_path):
    (tmp_path / "mine.yml").write_text("Models: [{Name: a, Results: [{Metrics: {box AP: 1}}]}]")
    with pytest.raises(UserError, match=r"mine.yml: a result of a lacks Name or Dataset"):
        published_rows(tmp_path / "mine.yml")


@pytest.mark.parametrize("content", [None, "Models", "Models:", "a: [", "- 1", b"\xff\xfe"])
def test_another_file_is_an_error(tmp_path, content):
    file = tmp_path / "results.yml"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=r"results.yml is expected to be a metafile"):
        published_rows(file)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("Results: [{Dataset: D, Metrics: {box AP: abc}}]", "AP is 'abc', where a number"),
        ("Results: [{Dataset: D, Metrics: {box AP: }}]", "AP is None"),
        ("Results: [{Dataset: D, Metrics: {box AP: .nan}}]", "AP is nan"),
        ("Results: [{Dataset: D, Metrics: {AP: 1, ms (X): 0}}]", r"ms \(X\) is 0"),
        ("Results: 5", "Results of a are expected to be a list"),
        ("Results: [5]", "Results of a"),
        ("Results: [{Dataset: 5}]", "Results of a"),
        ("Results: [{Dataset: D, Metrics: [1]}]", "Results of a"),
        ("Results: [{Dataset: D, Metrics: {5: 1}}]", "Results of a"),
        (
            "{Metadata: {inference time (ms/im): [{hardware: X}]}, Results: []}",
            "inference time .* is None",
        ),
    ],
)
def test_results_of_another_form_are_named(tmp_path, model, said):
    parts = model if model.startswith("{") else f"{{{model}}}"
    (tmp_path / "mine.yml").write_text(f"Models: [{{Name: a, {parts[1:]}]")
    with pytest.raises(UserError, match=f"mine.yml: {said}"):
        published_rows(tmp_path / "mine.yml")


def test_a_model_without_results_or_metadata_of_another_kind_has_no_rows(tmp_path):
    (tmp_path / "mine.yml").write_text("Models: [{Name: a, Metadata: abc, Results: }]")
    assert published_rows(tmp_path / "mine.yml") == []
