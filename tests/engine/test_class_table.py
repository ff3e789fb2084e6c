import numpy as np

from retina_plugin.engine.class_table import class_table, table_text


def test_class_without_boxes_has_no_number():
    precision = np.full((10, 4, 2, 4, 3), -1.0)
    precision[:, :, 0] = 0.5
    table = class_table(precision, ["cat", "dog"])
    assert table["cat"] == [0.5] * 6
    assert np.isnan(table["dog"]).all()
    assert "cat" in table_text(table)
