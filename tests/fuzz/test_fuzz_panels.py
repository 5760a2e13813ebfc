"""Generated messages of a browser to the panel of a catalogue, and pieces of a file that it sends."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from lxdimg_nb.client.http.web_client import WebClient
from lxdimg_nb.client.simplestreams.catalogue import Catalogue
from lxdimg_nb.client.simplestreams.catalogue_client import CatalogueClient
from lxdimg_nb.client.simplestreams.catalogue_transport import CatalogueTransport
from lxdimg_nb.client.simplestreams.problems import Problems
from lxdimg_nb.client.simplestreams.products import read_products
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.panels.upload.spool_file import Spool
from tests.kit.fuzz import fuzz, odd_json
from tests.kit.streams import linuxcontainers

pytestmark = pytest.mark.slow

_MESSAGES: dict[str, dict[str, Any]] = {
    "search": {"query": "os=debian size>1"},
    "chips": {"chips": ["expired", "vm"]},
    "sort": {"column": "size"},
    "page": {"page": 1},
    "size": {"size": 20},
    "columns": {"columns": ["alias", "properties.os"]},
    "select": {"on": True, "what": "found", "keys": ["default/x"]},
    "open": {"key": "default/x"},
    "shut": {},
    "project": {"project": "default"},
    "dismiss": {"notice": 1},
    "cancel": {"job": 1},
    "hello": {"view": "v"},
    "set": {"key": "default/x", "field": "public", "value": True, "confirmed": True},
    "edit": {"key": "default/x", "field": "properties", "name": "a", "before": "", "value": "b"},
    "undo": {"key": "default/x", "confirmed": True},
    "overwrite": {"key": "default/x"},
    "add-alias": {"key": "default/x", "name": "a"},
    "move-alias": {"key": "default/x"},
    "delete-alias": {"key": "default/x", "name": "a"},
    "explain": {"key": "default/x"},
    "lookup": {"chip": "vm"},
    "unplan": {},
    "file-sent": {"job": 1, "ok": True},
    "file-piece": {"job": 1, "offset": 0, "restart": False},
}


@cache
def _panel() -> Any:
    """The panel of a catalogue that nobody serves."""
    transport = CatalogueTransport(WebClient("https://127.0.0.1:1"))
    content = json.dumps({"products": linuxcontainers().products}).encode()
    transport._catalogue, transport._read_at = Catalogue(read_products(content, Problems())), time.monotonic() + 1e6
    panel: Any = CatalogueClient(transport).images.panel()
    panel.prepare()
    assert panel.ready.wait(30)
    return panel


@fuzz(
    "messages of a browser",
    st.sampled_from(sorted(_MESSAGES)).flatmap(lambda k: st.tuples(st.just(k), odd_json([_MESSAGES[k]]))),
)
def test_a_message(case: tuple[str, Any]) -> None:
    kind, content = case
    panel = _panel()
    keys = list(panel.table.rows)
    found = content if isinstance(content, dict) else {"value": content}
    found = {name: keys[0] if value == "default/x" else value for name, value in found.items()}

    panel._handlers[kind](found | {"buffers": []})

    json.dumps(panel.table.view())
    assert len(panel.table.rows) == len(keys)


_PIECES = st.lists(st.tuples(st.integers(-5, 70), st.binary(max_size=40)), max_size=8)


@fuzz("pieces of an upload", _PIECES)
def test_pieces_of_a_file(pieces: list[tuple[int, bytes]]) -> None:
    """Only what continues the file is kept, in order."""
    with tempfile.TemporaryDirectory() as folder:
        file, right = Spool(Path(folder)).file("image.tar.gz", 64, 0), b""
        for offset, data in pieces:
            with contextlib.suppress(InvalidRequestError):
                file.append(offset, data)
                assert offset == len(right)
                right += data
        assert file.path.read_bytes() == right
        assert len(right) <= 64
