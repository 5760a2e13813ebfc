"""The JSON files of a simplestreams server: fetched within limits, decompressed, taken out of a signature, parsed."""

from __future__ import annotations

import json
import lzma
import time
import zlib
from collections.abc import Mapping
from typing import Any

from lxdimg_nb.client.files.formats.decompression import Decompressed, UncheckedError
from lxdimg_nb.client.http.transport import RETRIES, TIMEOUTS, Stream
from lxdimg_nb.client.http.web_client import WebClient
from lxdimg_nb.errors import ServerUnreachableError, UnexpectedReplyError

__all__ = ["OversizeDocumentError", "fetch_document", "parse_document"]

BLOCK = 1024 * 1024
_CODINGS = {"gzip": "gz", "x-gzip": "gz", "zstd": "zstd"}
# Mirrors serve compressed files under the plain name, too.
_MAGIC = {b"\x1f\x8b": "gz", b"\x28\xb5\x2f\xfd": "zstd"}
_SIGNED = b"-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = b"\n-----BEGIN PGP SIGNATURE-----"
_AGAIN = "the mirror may be in the middle of an update, so try again later, or another mirror"


class OversizeDocumentError(UnexpectedReplyError):
    """A file has more bytes than it may have."""


def fetch_document(
    web: WebClient, path: str, *, limit: int, seconds: float, headers: Mapping[str, str] | None = None
) -> tuple[bytes | None, Mapping[str, str]]:
    """A whole small file and the headers of the reply; None when it is unchanged (304). Sent compressed.

    Retried when the connection breaks within the body.

    Args:
        limit: largest size in bytes.
        seconds: that it may take, with all retries.

    Raises:
        OversizeDocumentError: it is larger.
        UnexpectedReplyError: it takes longer, or cannot be decompressed.
    """
    deadline = time.monotonic() + seconds
    attempt = 0
    while True:
        stream = None
        try:
            with web.open(path, headers={"Accept-Encoding": "gzip", **(headers or {})}) as stream:
                if stream.status_code == 304:
                    return None, stream.headers
                return _read_all(stream, limit, deadline, f"{web.url}/{path}"), stream.headers
        except ServerUnreachableError as error:
            attempt += 1
            if stream is None or attempt >= RETRIES or isinstance(error.__cause__, TIMEOUTS):
                raise
        time.sleep(0.1 * 4**attempt)


class _Body:
    """The body of a reply, read in the pieces in which it arrives."""

    def __init__(self, stream: Stream, deadline: float, what: str) -> None:
        self._stream, self._deadline, self._what = stream, deadline, what
        self._head = b""

    def peek(self, size: int) -> bytes:
        """The first bytes, which `read` returns as well."""
        while len(self._head) < size and (piece := self._read(size)):
            self._head += piece
        return self._head

    def read(self, size: int) -> bytes:
        """At most `size` bytes; empty at the end."""
        head, self._head = self._head, b""
        return head or self._read(size)

    def _read(self, size: int) -> bytes:
        if time.monotonic() > self._deadline:
            raise UnexpectedReplyError(f"{self._what} comes too slowly; try again")
        return self._stream.read1(size)


def _read_all(stream: Stream, limit: int, deadline: float, what: str) -> bytes:
    """The body of a reply, decompressed, of at most `limit` bytes and before `deadline` of `time.monotonic()`."""
    body = _Body(stream, deadline, what)
    named = [*stream.headers.get("Content-Encoding", "").split(","), *stream.transfer_codings]
    codings = [name for coding in named if (name := coding.strip().lower()) not in ("", "identity")]
    source: Any = body
    content = bytearray()
    try:
        for coding in reversed(codings):
            if coding not in _CODINGS or len(codings) > 2:
                raise UnexpectedReplyError(f"{what} came in an encoding that was not asked for: {coding[:40]!r}")
            source = Decompressed(_CODINGS[coding], source)
        if not codings:
            kind = next((kind for magic, kind in _MAGIC.items() if body.peek(4).startswith(magic)), "")
            source = Decompressed(kind, body) if kind else body
        while piece := source.read(BLOCK):
            content += piece
            if len(content) > limit:
                raise OversizeDocumentError(f"{what} has more than {limit} bytes; that cannot be right")
    except UncheckedError as error:
        raise UnexpectedReplyError(f"{what} is compressed with zstd; {error}") from error
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise UnexpectedReplyError(f"{what} is compressed wrongly ({error}); {_AGAIN}") from error
    return bytes(content)


def parse_document(content: bytes, what: str) -> Mapping[str, Any]:
    """The JSON object in a file, `.json` or `.sjson`; the signature of the latter is not checked: https vouches for it.

    Args:
        what: the file, for messages.

    Raises:
        UnexpectedReplyError: it is none; the message says what it is instead.
    """
    text = _without_signature(content).rstrip(b"\0 \t\r\n")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnexpectedReplyError(f"{what} {_what_it_is(content, text)}") from error
    if not isinstance(data, dict):
        raise UnexpectedReplyError(f"{what} is no JSON object; check the address")
    return data


def _without_signature(content: bytes) -> bytes:
    """The text of a PGP clear-signed message (RFC 9580, section 7); any other content as it is."""
    if not content.startswith(_SIGNED):
        return content
    _, _, rest = content.replace(b"\r\n", b"\n").partition(b"\n\n")
    text, _, _ = rest.partition(_SIGNATURE)
    return text.removeprefix(b"- ").replace(b"\n- ", b"\n")


def _what_it_is(content: bytes, text: bytes) -> str:
    if not content.strip():
        return f"is empty; {_AGAIN}"
    if not text:
        return f"holds nothing but NUL bytes; {_AGAIN}"
    if text[:1] == b"<":
        return "is a web page, not JSON; check the address"
    if text[:1] != b"{":
        return "is no JSON; check the address"
    return f"is damaged or breaks off: no valid JSON in {len(content)} bytes; {_AGAIN}"
