"""The image files in a body: hashed, split and written to disk while they arrive, in constant memory.

A multipart body must hold `metadata` and then `rootfs` or `rootfs.img`; its two files are written as they
arrive. An error in it is kept for later, because the daemons report it in the operation only.

Source: RFC 2046; LXD 5.0.2's replies to multipart bodies that are wrong in one way each.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import BinaryIO

__all__ = ["Spool", "split_header"]

_HEADER_LIMIT = 16 << 10


def split_header(value: str) -> tuple[str, dict[str, str]]:
    """The value and the parameters of a header such as `form-data; name="x"`."""
    message = Message()
    message["content-type"] = value
    found = message.get_params(failobj=[]) or [("", "")]
    return found[0][0].lower(), {name.lower(): text for name, text in found[1:]}


class Spool:
    """The files of one request body, or of the replies with one image.

    Attributes:
        split: the body is multipart, with metadata and root file system.
        files: the files written so far.
        error: what an operation on this body fails with, or an empty text.
        filename: of the last part that names one.
        virtual_machine: the second part is a disk.
        size: bytes of all files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.split = False
        self.files: list[Path] = []
        self.error = ""
        self.filename = ""
        self.virtual_machine = False
        self.size = 0
        self._hash = hashlib.sha256()
        self._file: BinaryIO | None = None
        self._buffer = b""
        self._state = ""
        self._parser: Iterator[None] = iter(())
        self._edge = b""

    def begin(self, content_type: str) -> None:
        """Begin with a body: a multipart of two files, or a single file, which may follow another."""
        kind, parameters = split_header(content_type)
        self.split = kind == "multipart/form-data"
        if not self.split:
            self._open()
            return
        boundary = parameters.get("boundary", "")
        self._edge = b"\r\n--" + boundary.encode("latin-1", "replace")
        self._state, self._buffer = "preamble", b"\r\n"
        self._parser = self._parse()
        if not boundary:
            self._fail("multipart: boundary is empty")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all bytes written."""
        return self._hash.hexdigest()

    def feed(self, data: bytes) -> None:
        """Process the next bytes of the body."""
        if not self.split:
            self._write(data)
            return
        if self._state in ("failed", "epilogue"):
            return
        self._buffer += data
        next(self._parser, None)

    def finish(self) -> None:
        """Close the files, and note an error if the body is incomplete."""
        if self.split and not self.error and self._state != "epilogue":
            self.error = "multipart: NextPart: EOF" if self._state != "body" else "unexpected EOF"
        elif self.split and not self.error and len(self.files) < 2:
            self.error = "EOF"
        self._close()

    def discard(self) -> None:
        """Remove the files."""
        self._close()
        for path in self.files:
            path.unlink(missing_ok=True)

    def text(self, limit: int) -> bytes | None:
        """The bytes of a body that is not multipart and not longer than the limit, else None."""
        return None if self.split or self.size > limit else self.files[0].read_bytes()

    def _open(self) -> None:
        self._close()
        handle, name = tempfile.mkstemp(prefix="upload-", dir=self._folder)
        self._file = os.fdopen(handle, "wb", buffering=0)
        self.files.append(Path(name))

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, data: bytes) -> None:
        if self._file is not None and data:
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
            self._hash.update(data)
            self.size += len(data)

    def _fail(self, text: str) -> None:
        self.error = text
        self._state = "failed"
        self._buffer = b""

    def _parse(self) -> Iterator[None]:
        """Split the multipart body as it arrives; yields where more bytes are needed."""
        while True:
            while (at := self._buffer.find(self._edge)) < 0:
                self._take(len(self._buffer) - len(self._edge))
                yield
            self._take(at)
            self._close()
            self._buffer = self._buffer[len(self._edge) :]
            self._state = "edge"
            while len(self._buffer) < 2:
                yield
            if self._buffer.startswith(b"--"):
                self._state = "epilogue"
                return
            while (found := re.match(rb"[ \t]*\r\n", self._buffer)) is None:
                if len(self._buffer) >= 64:
                    return self._fail("multipart: expecting a new Part")
                yield
            self._buffer = self._buffer[found.end() - 2 :]
            self._state = "header"
            while (end := self._buffer.find(b"\r\n\r\n")) < 0:
                if len(self._buffer) > _HEADER_LIMIT:
                    return self._fail("multipart: message too large")
                yield
            lines = self._buffer[:end].decode("utf-8", "replace").split("\r\n")
            self._buffer = self._buffer[end + 4 :]
            self._state = "body"
            if not self._part(lines):
                return self._fail("Invalid multipart image")

    def _take(self, count: int) -> None:
        """Remove bytes from the buffer, and write them if they belong to a part."""
        if count > 0:
            if self._state == "body":
                self._write(self._buffer[:count])
            self._buffer = self._buffer[count:]

    def _part(self, lines: list[str]) -> bool:
        """Start the part with these headers; False if an image has no such part."""
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        _, parameters = split_header(headers.get("content-disposition", ""))
        name = parameters.get("name", "")
        if len(self.files) == 2:
            return True
        if name not in (("rootfs", "rootfs.img") if self.files else ("metadata",)):
            return False
        self.virtual_machine = name == "rootfs.img"
        self.filename = re.split(r"[/\\]", parameters.get("filename", ""))[-1]
        self._open()
        return True
