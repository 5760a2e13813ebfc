"""Files in replies: whole, in ranges, or as multipart, in constant memory.

Source: RFC 9110 sections 13 and 14 as Go's `http.ServeContent` reads them; replies of LXD 5.0.2 and Incus
6.0.4. LXD announces the length of the file on a 416 and sends a short text, so the connection must close.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path

from .replies import Reply, Span

__all__ = ["file_reply", "form_data"]


def file_reply(path: Path, name: str, headers: Mapping[str, str], *, new_go: bool) -> Reply:
    """A file, or the ranges of it that the request headers ask for."""
    state = path.stat()
    size = state.st_size
    modified = formatdate(int(state.st_mtime), usegmt=True)
    shown = {"Content-Disposition": f"inline;filename={name}", "Last-Modified": modified}
    if _unmodified(headers, int(state.st_mtime)):
        return Reply(304, shown)
    shown["Content-Type"] = "application/octet-stream"
    wanted = headers.get("Range")
    if headers.get("If-Range", modified) != modified:
        wanted = None
    ranges = [] if wanted is None else _ranges(wanted, size)
    if isinstance(ranges, str):
        return _unsatisfiable(shown, ranges, size, new_go=new_go)
    shown["Accept-Ranges"] = "bytes"
    if not ranges:
        return Reply(200, shown, [(path, 0, size)])
    if len(ranges) > 1:
        return _byte_ranges(path, shown, ranges, size)
    start, length = ranges[0]
    shown["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    return Reply(206, shown, [(path, start, length)])


def _unmodified(headers: Mapping[str, str], modified: int) -> bool:
    try:
        return parsedate_to_datetime(headers["If-Modified-Since"]).timestamp() >= modified
    except (KeyError, ValueError, TypeError):
        return False


def _ranges(text: str, size: int) -> list[tuple[int, int]] | str:
    """(start, length) of each range that overlaps the file, or the text of the error."""
    if not text.startswith("bytes="):
        return "invalid range"
    found: list[tuple[int, int]] = []
    missed = False
    for part in text[6:].split(","):
        if not part.strip():
            continue
        match = re.fullmatch(r"\s*(\d*)\s*-\s*(\d*)\s*", part)
        if match is None or match.groups() == ("", ""):
            return "invalid range"
        first, last = match.groups()
        if not first:
            length = min(int(last), size)
            found.append((size - length, length))
            continue
        start, end = int(first), int(last) if last else size - 1
        if last and end < start:
            return "invalid range"
        if start >= size:
            missed = True
            continue
        found.append((start, min(end, size - 1) - start + 1))
    if missed and not found:
        return "invalid range: failed to overlap"
    if sum(length for _, length in found) > size:
        return []
    return found


def _unsatisfiable(headers: dict[str, str], text: str, size: int, *, new_go: bool) -> Reply:
    headers |= {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
    if text != "invalid range":
        headers["Content-Range"] = f"bytes */{size}"
    body = f"{text}\n".encode()
    return Reply(416, headers, [body], announced=None if new_go else size)


def _byte_ranges(path: Path, headers: dict[str, str], ranges: list[tuple[int, int]], size: int) -> Reply:
    kind = headers["Content-Type"]
    parts: list[tuple[str, Span]] = [
        (f"Content-Range: bytes {start}-{start + length - 1}/{size}\r\nContent-Type: {kind}", (path, start, length))
        for start, length in ranges
    ]
    edge, pieces = _multipart(parts)
    return Reply(206, headers | {"Content-Type": f"multipart/byteranges; boundary={edge}"}, pieces)


def form_data(files: Iterable[tuple[str, str, Path]]) -> Reply:
    """Files as multipart/form-data, without a length: (form name, file name, path) each."""
    parts: list[tuple[str, Span]] = [
        (
            f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
            "Content-Type: application/octet-stream",
            (path, 0, path.stat().st_size),
        )
        for name, filename, path in files
    ]
    edge, pieces = _multipart(parts)
    return Reply(200, {"Content-Type": f"multipart/form-data; boundary={edge}"}, pieces, chunked=True)


def _multipart(parts: list[tuple[str, Span]]) -> tuple[str, list[Span | bytes]]:
    """The boundary and the pieces of a multipart body: (headers, part of a file) each."""
    edge = secrets.token_hex(30)
    pieces: list[Span | bytes] = []
    for count, (head, span) in enumerate(parts):
        pieces += [f"{chr(13) + chr(10) if count else ''}--{edge}\r\n{head}\r\n\r\n".encode(), span]
    return edge, [*pieces, f"\r\n--{edge}--\r\n".encode()]
