"""Generated catalogues of simplestreams servers, as values and as bytes that arrive packed."""

from __future__ import annotations

import gzip
import json
from typing import Any

import zstandard

from lxdimg_nb.client.simplestreams.catalogue import Catalogue
from lxdimg_nb.client.simplestreams.documents import _read_all, parse_document
from lxdimg_nb.client.simplestreams.index_file import checked_path, read_index
from lxdimg_nb.client.simplestreams.problems import Problems
from lxdimg_nb.client.simplestreams.products import read_products
from lxdimg_nb.inventory import make_frame
from tests.kit.fuzz import fuzz, mutated, odd_json, sentences
from tests.kit.streams import Tree, linuxcontainers, ubuntu

_INDEX = {"index": {n: {"datatype": "image-downloads", "path": f"s/{n}.json", "products": ["p"]} for n in ("a", "b")}}


def _products(tree: Tree) -> dict[str, Any]:
    few = dict(list(tree.products.items())[:1])
    return {"format": "products:1.0", "products": json.loads(json.dumps(few))}


_PRODUCTS = [_products(linuxcontainers()), _products(ubuntu())]
_BYTES = [json.dumps(document).encode() for document in (_INDEX, _PRODUCTS[0])]


@fuzz("simplestreams, index", odd_json([_INDEX]))
def test_an_index(document: Any) -> None:
    for path in read_index(json.dumps(document).encode(), Problems(), base="/a/b"):
        assert path == checked_path(path)[0]


@fuzz("simplestreams, products", odd_json(_PRODUCTS, edits=8))
def test_products(document: Any) -> None:
    problems = Problems()
    catalogue = Catalogue(read_products(json.dumps(document).encode(), problems))

    assert len(make_frame(catalogue.records.values())) == len(catalogue.builds)
    assert all(catalogue.target(name) in catalogue.records for name in catalogue.alias_names())
    assert all(text.isprintable() and len(text) <= 256 for text in problems.texts)


@fuzz("simplestreams, paths", sentences(["..", ".", "/", "//", "a", "a/b", "\\", "%2e", ":", "https:", "\0"]))
def test_a_path(text: str) -> None:
    path, why = checked_path(text, "/base")

    assert bool(path) != bool(why)
    assert not path.startswith("/")
    assert not {"", ".", ".."} & set(path.split("/")) or not path


class _Reply:
    """The body of a reply."""

    def __init__(self, content: bytes, coding: str) -> None:
        self._rest = content
        self.headers = {"Content-Encoding": coding}
        self.transfer_codings: list[str] = []

    def read1(self, size: int) -> bytes:
        piece, self._rest = self._rest[: min(size, 700)], self._rest[min(size, 700) :]
        return piece


_PACKED = [gzip.compress(_BYTES[1]), zstandard.ZstdCompressor().compress(_BYTES[1]), *_BYTES]


@fuzz("simplestreams, packed", mutated(_PACKED))
def test_a_packed_document(content: bytes) -> None:
    for coding in ("", "gzip", "zstd"):
        _read_all(_Reply(content, coding), 1 << 20, float("inf"), "it")  # type: ignore[arg-type]


@fuzz("simplestreams, JSON", mutated(_BYTES))
def test_a_document(content: bytes) -> None:
    found = parse_document(content, "it")

    assert isinstance(found, dict)
    read_products(content, Problems())
