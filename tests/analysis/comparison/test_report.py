from retina_plugin.analysis.comparison.report import family_and_label, grouped, plot, tables
from retina_plugin.analysis.comparison.rows import MEASURED, METAFILE, PUBLISHED, Row

COST = {"parameters": 21_400_000, "multiply_adds": 160_200_000_000, "peak_bytes": 88 * 2**20}
OURS = Row("ours", MEASURED, "deeppcb", {"AP": 50.0, "APL": -1.0}, 200.4, "2 cores", **COST)
RIVAL = Row("rival", MEASURED, "deeppcb", {"AP": 60.0}, 900, "2 cores", note="input 640 x 640")
ELSEWHERE = Row("ours", MEASURED, "bccd", {"AP": 10.0}, 100, "2 cores")
ZOO = Row("ours", METAFILE, "COCO", {"AP": 36.5}, 44.0, "V100")
PAPER = Row("table1e_r50_400", PUBLISHED, "COCO test-dev (paper)", {"AP": 30.5}, 64, "M40")


def test_other_data_and_other_sources_never_share_a_table():
    groups = grouped([PAPER, ZOO, OURS, ELSEWHERE, RIVAL])
    assert [(key, len(rows)) for key, rows in groups] == [
        ((MEASURED, "bccd"), 1),
        ((MEASURED, "deeppcb"), 2),
        ((METAFILE, "COCO"), 1),
        ((PUBLISHED, "COCO test-dev (paper)"), 1),
    ]


def test_the_best_comes_first_with_sizes_and_its_remark():
    (table,) = tables([OURS, RIVAL])
    assert [row[0] for row in table.rows] == ["rival", "ours"]
    assert table.title == "Measured here: deeppcb, on 2 cores"
    assert table.rows[1] == ("ours", "50.0", "-", "-", "-", "-", "-", "200", "21.4", "160.2", "88")
    assert "rival: input 640 x 640." in table.note.splitlines()


def test_times_of_others_name_their_hardware():
    measured, metafile = tables([OURS, ZOO])
    assert metafile.rows[0][-1] == "44 (V100)"
    assert metafile.title == "From the metafiles of the models, not measured here: COCO"
    assert "ms" in measured.columns


def test_nothing_to_draw_is_no_figure(tmp_path):
    assert not plot([Row("new", MEASURED, "noise", {}, 10, "here")], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_points_are_drawn(tmp_path):
    assert plot([PAPER, OURS, RIVAL], tmp_path)
    assert (tmp_path / "figure2_speed.svg").exists()


def test_a_data_folder_with_dollars_in_its_name_is_drawn(tmp_path):
    """Which matplotlib takes for mathematics, and cannot read."""
    assert plot([Row("mine", MEASURED, "cost_$$_a$x_$b", {"AP": 50.0}, 10, "here")], tmp_path)


def test_rows_of_table_1e_are_labelled_by_scale():
    assert family_and_label("table1e_r50_400") == ("RetinaNet R50, 400 to 800 px", "400 px")
    assert family_and_label("mmdet_retinanet_r18") == ("RetinaNet", "mmdet_retinanet_r18")
    assert family_and_label("table1e_r50_600 (a)")[1] == "600 px (a)"
    for model in ("table2_r101", "mini_table1b_gamma1", "mmdet_r18", "appendix_ce"):
        assert family_and_label(model) == ("RetinaNet", model)
    assert family_and_label("mmdet_fcos_r50") == ("others", "mmdet_fcos_r50")
    assert family_and_label("YOLOv2") == ("others", "YOLOv2")
