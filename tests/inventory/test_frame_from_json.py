"""A server's document to a frame: read in little memory, and refused in one line when it is none."""

from __future__ import annotations

import gc
import hashlib
import json
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from lxdimg_nb.errors import UnexpectedReplyError
from lxdimg_nb.inventory import frame_from_json, make_frame
from lxdimg_nb.values import ImageRecord


def image(i: int = 0, **fields: Any) -> dict[str, Any]:
    return {"fingerprint": hashlib.sha256(str(i).encode()).hexdigest(), **fields}


def test_records_of_an_iterator_are_let_go_as_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["lxdimg_nb.inventory.frame.frame"], "CHUNK", 10)
    alive: list[weakref.ref[ImageRecord]] = []
    most = 0

    def records() -> Iterator[ImageRecord]:
        nonlocal most
        for i in range(100):
            record = Held.from_json({"fingerprint": f"{i:064x}"})
            alive.append(weakref.ref(record))
            most = max(most, sum(ref() is not None for ref in alive))
            yield record

    df = make_frame(records())

    assert len(df) == 100
    assert most <= 21


class Held(ImageRecord):
    """A record that weak references can watch."""


def test_the_document_may_be_an_envelope_in_any_order_or_a_bare_list() -> None:
    rows = [image(i, size=i, properties={"d": "ä" * 50}) for i in range(300)]
    documents = [
        json.dumps(rows).encode(),
        json.dumps({"type": "sync", "operation": "", "metadata": rows, "error": ""}).encode(),
        json.dumps({"metadata": rows}, indent=2, ensure_ascii=False).encode(),
        b"\xef\xbb\xbf" + json.dumps({"a": {"metadata": [1]}, "metadata": rows}).encode(),
    ]

    for document in documents:
        assert frame_from_json(document)["size"].tolist() == list(range(300))


def test_a_document_is_read_through_a_small_window(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [image(i, size=10**i, properties={"d": "€" * (i * 50)}) for i in range(10)]
    document = json.dumps({"status_code": 200, "metadata": rows}, ensure_ascii=False).encode()

    for width in (1, 2, 3, 7, 100):
        monkeypatch.setattr("lxdimg_nb.inventory.frame.json_decoder.WINDOW", width)
        assert frame_from_json(document)["size"].tolist() == [10**i for i in range(10)]


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"nonsense",
        b"{}",
        b'{"metadata": null}',
        b'{"metadata": [',
        b'[{"fingerprint": "x"}]',
        b"[1]",
        b"[null]",
        b'{"metadata": {"a": 1}}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_is_no_list_of_images_is_one_clear_error(document: bytes) -> None:
    with pytest.raises(UnexpectedReplyError):
        frame_from_json(document)


def test_the_garbage_collector_is_as_it_was_also_after_an_error() -> None:
    assert gc.isenabled()
    with pytest.raises(UnexpectedReplyError):
        frame_from_json(b"[1]")

    assert gc.isenabled()
