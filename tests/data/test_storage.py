import pytest

from retina_plugin.data.storage import is_on_disk


@pytest.mark.parametrize(
    ("names", "backend_args", "expected"),
    [
        (["data/coco/"], None, True),
        (["/a.json", "b"], {"backend": "local"}, True),
        (["a.json"], {"backend": "retina_plugin.safe_local"}, True),
        (["a.json"], {}, True),
        (["data/coco/"], {"backend": "petrel", "path_mapping": {"data": "s3://data"}}, False),
        (["b", "s3://bucket/a.json"], None, False),
        (["https://host/a.json"], {"backend": "local"}, False),
    ],
)
def test_neither_backend_nor_address_may_lead_elsewhere(names, backend_args, expected):
    assert is_on_disk(names, backend_args) is expected
