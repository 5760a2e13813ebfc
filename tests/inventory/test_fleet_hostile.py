"""A fleet with servers that answer nonsense: each costs its row of the status, and nobody else anything."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

import pytest

import lxdimg_nb as lxdimg
from lxdimg_nb.errors import UnexpectedReplyError
from lxdimg_nb.inventory import Fleet
from tests.kit.inventories import Canned, fingerprint, image

INFO = {
    "api_status": "stable",
    "api_version": "1.0",
    "api_extensions": ["image_types", "projects", "images_all_projects"],
    "auth": "trusted",
    "environment": {"server": "incus", "server_version": "6.0.4", "project": "default"},
    "config": {},
}
HOSTILE = {
    "fingerprint": fingerprint(1),
    "aliases": [{"name": None}, {"name": "\x1b[31mred"}, 5],
    "size": "big",
    "project": 7,
    "type": None,
    "profiles": "default",
    "properties": {"a": None, "b": {"c": 1}, "": "empty", "os": "<script>alert(1)</script>"},
    "uploaded_at": {"x": 1},
    "created_at": "2024-13-99T99:99:99Z",
    "update_source": [1],
}


def envelope(metadata: object) -> bytes:
    return json.dumps({"type": "sync", "status_code": 200, "metadata": metadata}).encode()


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], str]]:
    """Starts servers that present themselves well and answer a listing with these bytes; gives the address."""
    started: list[ThreadingUnixStreamServer] = []

    def start(listing: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                project = {"name": "default", "used_by": []}
                other = envelope(project) if self.path.startswith("/1.0/projects") else envelope(INFO)
                body = listing if self.path.startswith("/1.0/images") else other
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        folder = tempfile.mkdtemp(prefix="lxi-odd-", dir="/tmp")
        started.append(ThreadingUnixStreamServer(f"{folder}/unix.socket", Handler))
        started[-1].daemon_threads = True
        threading.Thread(target=started[-1].serve_forever, daemon=True).start()
        return f"unix://{folder}/unix.socket"

    yield start
    for server in started:
        server.shutdown()
        server.server_close()
        Path(str(server.server_address)).unlink()
        Path(str(server.server_address)).parent.rmdir()


NONSENSE: dict[str, bytes] = {
    "html": b"<html>nginx</html>",
    "nothing": b"",
    "null": envelope(None),
    "text": envelope("images"),
    "a list of nothing": envelope([None]),
    "no fingerprint": envelope([{"size": 1}]),
    "a path for a fingerprint": envelope([{"fingerprint": "../../etc/passwd"}]),
    "brackets": b'{"type":"sync","metadata":' + b"[" * 100_000,
    "deep brackets": b'{"type":"sync","metadata":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize("listing", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_costs_its_row_and_is_one_of_our_errors(listing: bytes, answering: Callable[[bytes], str]) -> None:
    url = answering(listing)
    fleet = Fleet({"odd": url, "good": Canned(image(0))})

    df = fleet.df()

    assert df.index.tolist() == [("good", "default", fingerprint(0))]
    assert df.attrs["unanswered"] == ["odd"]
    assert fleet.status()["state"].to_dict() == {"odd": "failed", "good": "ok"}
    assert "Error:" not in fleet.status().loc["odd", "error"]
    with lxdimg.connect(url) as client, pytest.raises(UnexpectedReplyError):
        client.images.df()


def test_hostile_images_are_rows_like_others(answering: Callable[[bytes], str]) -> None:
    url = answering(envelope([HOSTILE, HOSTILE]))

    df = Fleet({"odd": url, "good": Canned(image(0))}).df()

    (row,) = df.loc["odd"].itertuples()
    assert row.Index == ("default", fingerprint(1))
    assert df.index.is_unique
    assert {str(df[name].dtype) for name in ("created_at", "uploaded_at")} == {"datetime64[us, UTC]"}
    found: dict[str, Any] = df.loc["odd"].iloc[0].to_dict()
    assert (found["size"], found["type"], found["profiles"]) == (0, "container", [])
    assert "<script>" not in df._repr_html_()
    assert "\x1b" not in repr(df) + df._repr_html_()
