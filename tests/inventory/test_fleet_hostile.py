"""A fleet with servers that answer nonsense: each costs its row of the status, and nobody else anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import lxdimg_nb as lxdimg
from lxdimg_nb.errors import UnexpectedReplyError
from lxdimg_nb.inventory import Fleet
from tests.kit.hostile_server import HostileServer, envelope, http_reply
from tests.kit.inventories import Canned, fingerprint, image

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


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], str]]:
    """Starts servers that present themselves well and answer a listing with these bytes; gives the address."""
    with ExitStack() as started:

        def start(listing: bytes) -> str:
            server = started.enter_context(HostileServer())
            server.answers = {r"/1\.0/images": http_reply(listing)}
            return server.url

        yield start


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
