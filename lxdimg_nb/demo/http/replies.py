"""What a handler may answer, and how it becomes the envelope of the LXD REST API.

Source: LXD REST API, section "Return values"; the exact texts were read off LXD 5.0.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..store.go_json import compact

__all__ = ["Dropped", "FileReply", "PartsReply", "RawJson", "Refusal", "Reply", "error_body", "not_found"]


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault of ours
    """An error reply: `error_code`, the text in `error`, and the HTTP status, which is nearly always the code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.status = code


class Dropped(Exception):  # noqa: N818 - as above
    """The connection closes without a byte, as where a Go handler panics."""


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


@dataclass(frozen=True)
class FileReply:
    """One file, whole or in ranges."""

    path: Path
    name: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PartsReply:
    """Files as multipart/form-data, without a length: (form name, file name, path) each."""

    parts: tuple[tuple[str, str, Path], ...]


def error_body(code: int, text: str) -> bytes:
    """The envelope of an error."""
    head = '{"type":"error","status":"","status_code":0,"operation":""'
    return f'{head},"error_code":{code},"error":{compact(text)},"metadata":null}}\n'.encode("utf-8", "replace")


def not_found() -> Refusal:
    """The answer to a path nobody serves."""
    return Refusal(404, "not found")
