import hashlib

import pytest

from retina_plugin.compat import downloads
from retina_plugin.compat.downloads import cached_path, fetch, has_hash
from retina_plugin.errors import UserError

CONTENT = b"weights"
HASH = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hub" / "checkpoints"


@pytest.fixture
def serve(tmp_path):
    """Make a file and return its file:// URL, which needs no network."""

    def put(name, content=CONTENT):
        (tmp_path / name).write_bytes(content)
        return (tmp_path / name).as_uri()

    return put


@pytest.mark.parametrize("name", [f"r50-{HASH[:8]}.pth", f"r50-{HASH}.pth"])
def test_a_file_is_fetched_into_the_cache_of_torch_hub(serve, cache, name):
    assert fetch(serve(name)) == cache / name
    assert (cache / name).read_bytes() == CONTENT


def test_files_of_one_name_at_two_addresses_are_two_files(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "epoch_12.pth").write_text(folder)
        url = (tmp_path / folder / "epoch_12.pth").as_uri()
        assert fetch(url).read_text() == folder
        assert fetch(url).name == "epoch_12.pth"


def test_a_cached_file_is_not_fetched_again(serve, cache):
    url = serve(f"r50-{HASH[:8]}.pth")
    stamp = fetch(url).stat().st_mtime_ns
    (cache.parents[2] / f"r50-{HASH[:8]}.pth").unlink()
    assert fetch(url).stat().st_mtime_ns == stamp


def test_a_cached_file_with_another_hash_is_fetched_again(serve, cache):
    url = serve(f"r50-{HASH[:8]}.pth")
    cache.mkdir(parents=True)
    cached_path(url).write_bytes(b"cut off")
    assert fetch(url).read_bytes() == CONTENT


def test_a_fetched_file_with_another_hash_is_refused(serve, cache):
    with pytest.raises(UserError, match=r"r50-00000000\.pth does not have the sha256"):
        fetch(serve("r50-00000000.pth"))
    assert list(cache.iterdir()) == []


def test_a_date_in_a_name_is_no_hash(serve):
    assert fetch(serve("r50-20200130.pth")).read_bytes() == CONTENT


def test_without_network_the_error_names_file_place_and_way_out(tmp_path, cache):
    url = (tmp_path / "absent" / "r50-12345678.pth").as_uri()
    with pytest.raises(UserError) as error:
        fetch(url)
    sentence = str(error.value)
    assert sentence.startswith("r50-12345678.pth cannot be downloaded from " + url)
    assert str(cache / "r50-12345678.pth") in sentence
    assert "model.backbone.init_cfg=None" in sentence


def test_a_cache_that_cannot_be_written_is_named_with_the_variable_to_set(
    tmp_path, monkeypatch, serve
):
    (tmp_path / "file").touch()
    monkeypatch.setattr(downloads.torch.hub, "get_dir", lambda: str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"cannot be downloaded to .*file.*: set .* TORCH_HOME"):
        fetch(serve("r50-00000000.pth"))
    monkeypatch.setattr(downloads.torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(downloads.os, "access", lambda *_: False)
    with pytest.raises(UserError, match=r"\(it is read-only\): set"):
        fetch(serve("r50-00000000.pth"))


def test_the_query_of_a_url_is_no_part_of_the_name(cache):
    url = f"https://host/a/r50-{HASH[:8]}.pth?download=true"
    assert cached_path(url) == cache / f"r50-{HASH[:8]}.pth"


@pytest.mark.parametrize(("rank", "order"), [(0, ["fetch", "barrier"]), (1, ["barrier", "fetch"])])
def test_other_processes_wait_for_the_first(monkeypatch, rank, order):
    events = []
    monkeypatch.setattr(downloads, "get_rank", lambda: rank)
    monkeypatch.setattr(downloads, "barrier", lambda: events.append("barrier"))
    monkeypatch.setattr(downloads, "_fetch", lambda url: events.append("fetch"))
    fetch("https://host/r50.pth")
    assert events == order


def test_a_failed_download_does_not_leave_other_processes_waiting(monkeypatch, tmp_path):
    reached = []
    monkeypatch.setattr(downloads, "barrier", lambda: reached.append(True))
    with pytest.raises(UserError):
        fetch((tmp_path / "absent.pth").as_uri())
    assert reached


def test_hashes_are_compared_by_their_first_digits(tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    for prefix, fits in ((HASH[:8], True), (HASH, True), (None, True), ("00000000", False)):
        assert has_hash(tmp_path / "file", prefix) is fits
