"""A web server of this machine alone, and caches of downloads that only one trial sees."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest import mock


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The http address of a folder, as long as the block runs."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def own_caches(folder: Path) -> Iterator[None]:
    """PyTorch's and MMEngine's folders of downloads, below `folder`."""
    homes = {"TORCH_HOME": str(folder / "torch"), "MMENGINE_HOME": str(folder / "mmengine")}
    # Not by a proxy: it would ask another machine for a file of this one.
    with mock.patch.dict(os.environ, {**homes, "no_proxy": "127.0.0.1"}):
        yield
