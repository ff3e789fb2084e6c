import os
import pickle
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.runner import CheckpointLoader

from retina_plugin.compat import checkpoints
from retina_plugin.errors import UserError


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("MMENGINE_HOME", str(tmp_path / "mmengine"))


@pytest.fixture
def server(tmp_path):
    """A server on this machine, of the files in a folder; returns folder and URL."""
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder)) as http:
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield folder, f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@pytest.fixture
def downloaded(monkeypatch):
    """URLs asked for, each of which holds two weights."""
    urls = []
    content = {"state_dict": {"backbone.a": torch.ones(1), "head.b": torch.ones(1)}}
    monkeypatch.setattr(checkpoints, "fetch", lambda url: urls.append(url) or url)
    monkeypatch.setattr(checkpoints, "read_checkpoint", lambda *_: content)
    return urls


class Evil:
    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def test_mmengine_reads_a_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    torch.save({"a": torch.ones(2)}, tmp_path / "a.pth")
    assert torch.equal(CheckpointLoader.load_checkpoint("~/a.pth")["a"], torch.ones(2))


def test_mmengine_reads_a_url(server):
    folder, url = server
    torch.save({"a": torch.ones(2)}, folder / "a.pth")
    assert torch.equal(CheckpointLoader.load_checkpoint(f"{url}/a.pth", "cpu")["a"], torch.ones(2))


@pytest.mark.parametrize("protocol", ["path", "url", "plain pickle at a url"])
def test_nothing_in_a_checkpoint_is_executed(server, tmp_path, protocol):
    (folder, url), marker = server, tmp_path / "executed"
    if protocol == "plain pickle at a url":
        (folder / "evil.pth").write_bytes(pickle.dumps(Evil(marker), protocol=2))
    else:
        torch.save(Evil(marker), folder / "evil.pth")
    name = str(folder / "evil.pth") if protocol == "path" else f"{url}/evil.pth"
    with pytest.raises(UserError):
        CheckpointLoader.load_checkpoint(name)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("torchvision://resnet50", "resnet50-0676ba61.pth"),
        ("modelzoo://resnet18", "resnet18-f37072fd.pth"),
        ("open-mmlab://detectron/resnet50_caffe", "resnet50_caffe-788b5fa3.pth"),
        ("openmmlab://resnet50_caffe", "resnet50_caffe-788b5fa3.pth"),  # an older name of it
    ],
)
def test_names_of_model_zoos_stand_for_urls(downloaded, name, file):
    assert "backbone.a" in CheckpointLoader.load_checkpoint(name)["state_dict"]
    assert downloaded[0].startswith("https://")
    assert downloaded[0].endswith("/" + file)


def test_a_classifier_gives_its_backbone(downloaded):
    loaded = CheckpointLoader.load_checkpoint("mmcls://vgg11")
    assert list(loaded["state_dict"]) == ["a"]
    assert downloaded[0].endswith("vgg11_batch256_imagenet_20210208-4271cd6c.pth")


def test_an_unknown_name_is_quoted(downloaded):
    with pytest.raises(UserError, match="open-mmlab://nothing is no checkpoint"):
        checkpoints.load_from_openmmlab("open-mmlab://nothing")
    assert downloaded == []


def test_only_later_weights_of_torchvision_need_torchvision(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(UserError, match="resnet50.imagenet1k_v2 .* torchvision, which is not"):
        checkpoints.load_from_torchvision("torchvision://resnet50.imagenet1k_v2")


def test_later_weights_of_torchvision_are_looked_up_there(monkeypatch, downloaded):
    later = {"resnet50.imagenet1k_v2": "https://host/resnet50-11ad3fa6.pth"}
    monkeypatch.setattr(checkpoints, "get_torchvision_models", lambda: later)
    checkpoints.load_from_torchvision("torchvision://resnet50.imagenet1k_v2")
    assert downloaded == ["https://host/resnet50-11ad3fa6.pth"]


def test_registration_replaces_the_loaders_of_mmengine(monkeypatch):
    schemes = dict.fromkeys(CheckpointLoader._schemes, None)
    monkeypatch.setattr(CheckpointLoader, "_schemes", schemes)
    checkpoints.register()
    served = {prefix for prefix, loader in CheckpointLoader._schemes.items() if loader}
    assert served == set(schemes)  # all that MMEngine knows


@pytest.fixture
def storages(monkeypatch, tmp_path):
    """Clients of storages that MMEngine knows, which serve one file."""

    def serve(content):
        torch.save(content, tmp_path / "stored.pth")
        stored = (tmp_path / "stored.pth").read_bytes()
        client = SimpleNamespace(Get=lambda _: stored)
        file = SimpleNamespace(download=lambda path: Path(path).write_bytes(stored))
        modules = {
            "petrel_client": SimpleNamespace(
                client=SimpleNamespace(Client=lambda **_: client),
            ),
            "pavi": SimpleNamespace(modelcloud=SimpleNamespace(get=lambda _: file)),
        }
        for name, module in modules.items():
            monkeypatch.setitem(sys.modules, name, module)

    return serve


STORED = ["s3://a/b.pth", "cluster:s3://a/b.pth", "petrel://a/b.pth", "pavi://a/b.pth"]


@pytest.mark.parametrize("name", STORED)
def test_storages_are_read_by_the_same_reader(storages, tmp_path, name):
    storages({"a": torch.ones(2)})
    assert torch.equal(CheckpointLoader.load_checkpoint(name)["a"], torch.ones(2))
    storages(Evil(tmp_path / "executed"))
    with pytest.raises(UserError, match=f"checkpoint {name} was not loaded"):
        CheckpointLoader.load_checkpoint(name)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("name", STORED)
def test_a_storage_without_its_client_is_one_sentence(monkeypatch, name):
    for module in ("petrel_client", "pavi"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=f"{name} can only be read with the package"):
        CheckpointLoader.load_checkpoint(name)


def test_plain_http_without_a_hash_is_warned_of(downloaded, logged):
    for url in ("https://a/b.pth", "http://a/b-0676ba61.pth"):
        CheckpointLoader.load_checkpoint(url)
    assert "over plain http" not in logged.text
    CheckpointLoader.load_checkpoint("http://a/b-20200131.pth")
    assert "http://a/b-20200131.pth came over plain http" in logged.text
