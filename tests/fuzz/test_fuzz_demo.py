"""Generated requests to the demo server: bodies of uploads, headers, filters."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import strategies as st

from lxdimg_nb.demo.api.list_filter import matches, parse_filter
from lxdimg_nb.demo.http.upload_body import Spool, split_header
from lxdimg_nb.demo.store.refusals import Refusal
from tests.kit import inventories
from tests.kit.fuzz import fuzz, mutated, sentences

_PART = b'\r\nContent-Disposition: form-data; name="%s"; filename="x"\r\n\r\n%s\r\n--b0'
_BODY = b"--b0" + _PART % (b"metadata", b"m" * 99) + _PART % (b"rootfs.img", b"r" * 300) + b"--\r\n"
_HEADERS = ["multipart/form-data; boundary=b0"] * 4 + ["multipart/form-data", "application/octet-stream", ""]


@fuzz("demo, bodies", st.tuples(mutated([_BODY]), st.sampled_from(_HEADERS), st.sampled_from([1, 37, 4096])))
def test_a_body(case: tuple[bytes, str, int]) -> None:
    content, header, size = case
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder))
        spool.begin(header)
        for at in range(0, min(len(content), 200 * size), size):
            spool.feed(content[at : at + size])
        spool.finish()
        assert spool.size == sum(path.stat().st_size for path in spool.files) <= len(content)
        spool.discard()
        assert list(Path(folder).iterdir()) == []


@fuzz("demo, headers", sentences(["form-data", ";", " ", "name", "=", '"', "x", "\\", "boundary*0", "utf-8''%ff", ","]))
def test_a_header(text: str) -> None:
    kind, parameters = split_header(text)

    assert isinstance(kind, str)
    assert all(isinstance(value, str) for value in parameters.values())


_WORDS = [
    "properties.os",
    "size",
    "public",
    " eq ",
    " ne ",
    " and ",
    " or ",
    "not ",
    "true",
    "12",
    "ubuntu.*",
    "(",
    '"',
    "[",
]


@fuzz("demo, filters", sentences(_WORDS, most=12))
def test_a_filter(text: str) -> None:
    try:
        clauses = parse_filter(text)
        for typed in (True, False):
            assert matches(inventories.image(1), clauses, typed=typed) in (True, False)
    except Refusal as refusal:
        assert str(refusal)
