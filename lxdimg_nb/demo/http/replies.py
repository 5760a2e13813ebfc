"""What a handler may answer, and how it becomes the envelope of the LXD REST API.

Source: LXD REST API, section "Return values"; the exact texts were read off LXD 5.0.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..store.go_json import compact
from ..store.refusals import Refusal

__all__ = ["FileReply", "PartsReply", "RawJson", "Reply", "Sendable", "Span", "created", "error_reply"]

_BLOCK = 256 << 10
Span = tuple[Path, int, int]


@dataclass(frozen=True)
class RawJson:
    """A JSON text that goes into the envelope as it is."""

    text: str


@dataclass
class Reply:
    """A `sync` reply, or an `async` one when `operation` is the URL of an operation; `bare` without envelope."""

    metadata: Any = None
    status: int = 200
    operation: str = ""
    bare: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    etag: str = ""

    def body(self) -> bytes:
        """The envelope, with the newline Go's encoder leaves behind it."""
        if isinstance(self.metadata, bytes):
            return self.metadata
        raw = self.metadata.text if isinstance(self.metadata, RawJson) else compact(self.metadata)
        if self.bare:
            return raw.encode("utf-8", "replace")
        head = (
            f'{{"type":"async","status":"Operation created","status_code":100,"operation":"{self.operation}"'
            if self.operation
            else '{"type":"sync","status":"Success","status_code":200,"operation":""'
        )
        return f'{head},"error_code":0,"error":"","metadata":{raw}}}\n'.encode("utf-8", "replace")


def created(url: str) -> Reply:
    """The 201 for a resource that has been made."""
    return Reply(None, 201, headers={"Location": url})


@dataclass(frozen=True)
class FileReply:
    """One file, whole or in ranges."""

    path: Path
    name: str


@dataclass(frozen=True)
class PartsReply:
    """Files as multipart/form-data, without a length: (form name, file name, path) each."""

    parts: tuple[tuple[str, str, Path], ...]


@dataclass
class Sendable:
    """A reply with a body in pieces.

    Attributes:
        pieces: bytes, or (path, offset, length) of a file.
        length: for Content-Length, or None to send it chunked.
        cut_short: the body is shorter than the length says.
    """

    status: int
    headers: dict[str, str]
    pieces: list[Span | bytes] = field(default_factory=list)
    length: int | None = None
    cut_short: bool = False

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


def error_reply(refusal: Refusal) -> Sendable:
    """The envelope of an error."""
    head = '{"type":"error","status":"","status_code":0,"operation":""'
    text = f'{head},"error_code":{refusal.code},"error":{compact(refusal.text)},"metadata":null}}\n'
    body = text.encode("utf-8", "replace")
    return Sendable(refusal.status, {"X-Content-Type-Options": "nosniff"}, [body], len(body))
