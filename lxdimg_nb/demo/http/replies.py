"""Replies of the handlers, and the envelopes of the LXD REST API.

Source: LXD REST API, section "Return values"; the exact texts were read off LXD 5.0.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..store.go_json import compact
from ..store.refusals import Refusal

__all__ = ["RawJson", "Reply", "Span", "accepted", "bare", "created", "refused", "sync"]

_BLOCK = 256 << 10
Span = tuple[Path, int, int]


@dataclass
class Reply:
    """A reply with a body in pieces.

    Attributes:
        pieces: bytes, or (path, offset, length) of a file.
        chunked: send the body without its length.
        announced: the length in the header, where the body is shorter than it says.
    """

    status: int
    headers: dict[str, str]
    pieces: list[Span | bytes] = field(default_factory=list)
    chunked: bool = False
    announced: int | None = None

    @property
    def length(self) -> int:
        """The length for the header."""
        if self.announced is not None:
            return self.announced
        return sum(len(piece) if isinstance(piece, bytes) else piece[2] for piece in self.pieces)

    def blocks(self) -> Iterator[bytes]:
        """The body in blocks of at most 256 KiB."""
        for piece in self.pieces:
            if isinstance(piece, bytes):
                yield piece
                continue
            path, offset, left = piece
            with path.open("rb") as file:
                file.seek(offset)
                while block := file.read(min(_BLOCK, left)):
                    left -= len(block)
                    yield block


@dataclass(frozen=True)
class RawJson:
    """A JSON text that goes into the envelope as it is."""

    text: str


def bare(body: str | bytes, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    """A reply without envelope."""
    return Reply(status, headers or {}, [body.encode("utf-8", "replace") if isinstance(body, str) else body])


def sync(metadata: Any = None, *, status: int = 200, etag: str = "", location: str = "") -> Reply:
    """A `sync` reply, with the newline that Go's encoder writes after it."""
    raw = metadata.text if isinstance(metadata, RawJson) else compact(metadata)
    head = '{"type":"sync","status":"Success","status_code":200,"operation":""'
    headers = {"ETag": f'"{etag}"'} if etag else {"Location": location} if location else {}
    return bare(f'{head},"error_code":0,"error":"","metadata":{raw}}}\n', status, headers)


def created(url: str) -> Reply:
    """The 201 for a resource that has been made."""
    return sync(status=201, location=url)


def accepted(url: str, operation: Any) -> Reply:
    """The 202 for an operation that has just been started."""
    head = f'{{"type":"async","status":"Operation created","status_code":100,"operation":"{url}"'
    text = f'{head},"error_code":0,"error":"","metadata":{compact(operation)}}}\n'
    return bare(text, 202, {"Location": url})


def refused(refusal: Refusal) -> Reply:
    """An error reply."""
    head = '{"type":"error","status":"","status_code":0,"operation":""'
    text = f'{head},"error_code":{refusal.code},"error":{compact(refusal.text)},"metadata":null}}\n'
    return bare(text, refusal.status, {"X-Content-Type-Options": "nosniff"})
