"""The body of an upload: streamed from its sources in constant memory, alone or framed as a split image."""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
import stat
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Protocol

from lxdimg_nb.client.http.response_body import FileBlock
from lxdimg_nb.errors import InvalidImageError, InvalidRequestError

__all__ = ["Content", "MultipartForm", "UploadBody", "header_filename"]

BLOCK = 256 * 1024
# What the kernel sends of a file between two looks at the progress.
FILE_BLOCK = 1024 * 1024


class Content(Protocol):
    """A file to send: its size in bytes (None when only reading tells), its name, and a way to open it."""

    @property
    def size(self) -> int | None: ...
    @property
    def name(self) -> str: ...
    def open(self) -> io.BufferedIOBase: ...


class UploadBody:
    """A request body that streams its parts, in constant memory, and tells how far it is.

    Args:
        parts: bytes (framing) or files (content).
        report: told the bytes of content sent; may raise to stop.
        hashed: hash the content in the same pass.
        sendfile: hand out blocks of files for the kernel to send, where a source is a file.
    """

    def __init__(
        self,
        parts: Sequence[bytes | Content],
        report: Callable[[int], None],
        *,
        hashed: bool = False,
        sendfile: bool = False,
    ) -> None:
        self._parts = list(parts)
        self._report = report
        self._current: io.BufferedIOBase | None = None
        self._left: int | None = None
        self._content = False
        self._at: int | None = None
        self._whole_files = sendfile and not hashed
        self._sha = hashlib.sha256() if hashed else None
        sizes = [len(p) if isinstance(p, bytes) else p.size for p in parts]
        # 0 is unknown: sent in chunks.
        self._length = 0 if None in sizes else sum(s or 0 for s in sizes)
        self.sent = 0
        self.content_sent = 0

    def __len__(self) -> int:
        return self._length

    def __bool__(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes | FileBlock:
        """The next bytes of the body. The caller's block size is a lower bound: 256 KiB at least.

        Raises:
            InvalidImageError: a file has become shorter since its size was read.
        """
        size = max(size, BLOCK)
        while True:
            if self._current is None and not self._next():
                return b""
            assert self._current is not None
            chunk = self._block(self._current) if self._at is not None else self._bytes(self._current, size)
            if not len(chunk):
                self._finish()
                continue
            self.sent += len(chunk)
            if self._left is not None:
                self._left -= len(chunk)
            if self._content:
                self.content_sent += len(chunk)
                if self._sha is not None and isinstance(chunk, bytes):
                    self._sha.update(chunk)
                self._report(self.content_sent)
            return chunk

    def _bytes(self, file: io.BufferedIOBase, size: int) -> bytes:
        want = size if self._left is None else min(size, self._left)
        return file.read(want) if want else b""

    def _block(self, file: io.BufferedIOBase) -> FileBlock:
        assert self._at is not None
        assert self._left is not None
        there = os.fstat(file.fileno()).st_size - self._at
        block = FileBlock(file, self._at, max(0, min(FILE_BLOCK, self._left, there)))
        self._at += block.count
        return block

    def _next(self) -> bool:
        if not self._parts:
            return False
        part = self._parts.pop(0)
        self._content = not isinstance(part, bytes)
        if isinstance(part, bytes):
            self._current, self._left, self._at = io.BytesIO(part), len(part), None
        else:
            self._current, self._left = part.open(), part.size
            self._at = 0 if self._whole_files and self._left is not None and _is_file(self._current) else None
        return True

    def _finish(self) -> None:
        assert self._current is not None
        self._current.close()
        self._current = None
        if self._left:
            raise InvalidImageError("the file became shorter while it was sent; nothing was imported")

    @property
    def complete(self) -> bool:
        """Whether everything was handed out."""
        return not self._parts and self._current is None

    def hexdigest(self) -> str:
        """SHA-256 of the content sent so far."""
        if self._sha is None:
            raise InvalidRequestError("this body was not asked to hash")
        return self._sha.hexdigest()

    def close(self) -> None:
        """Close what is open."""
        if self._current is not None:
            self._current.close()
            self._current = None


class MultipartForm:
    """The framing of a split upload: part `metadata`, then `rootfs` or `rootfs.img`, in that order.

    Source: LXD doc/rest-api, POST /1.0/images; the part's name decides container or virtual machine.
    """

    def __init__(self, metadata: Content, rootfs: Content, *, virtual_machine: bool, filename: str = "") -> None:
        self._boundary = secrets.token_hex(16)
        self._files = (
            (metadata, "metadata", _harmless(metadata.name) or "metadata"),
            # Servers keep this one as the image's file name.
            (rootfs, "rootfs.img" if virtual_machine else "rootfs", _harmless(filename or rootfs.name) or "rootfs"),
        )

    @property
    def content_type(self) -> str:
        """The Content-Type header."""
        return f"multipart/form-data; boundary={self._boundary}"

    @property
    def parts(self) -> list[bytes | Content]:
        """Framing and content in order."""
        found: list[bytes | Content] = []
        for source, name, filename in self._files:
            head = (
                f'--{self._boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n"
            )
            found += [head.encode(), source, b"\r\n"]
        return [*found, f"--{self._boundary}--\r\n".encode()]


def _harmless(name: str) -> str:
    """A file name that cannot end the header it stands in."""
    return re.sub(r'[\x00-\x1f\x7f"\\]', "_", PurePath(name).name)


def header_filename(name: str) -> str:
    """A file name for a header: its UTF-8, which is what lxc sends, written as the Latin-1 that headers are."""
    plain = re.sub(r"[\x00-\x1f\x7f]", "_", PurePath(name).name).strip()
    return plain.encode(errors="replace").decode("latin-1")


def _is_file(file: io.BufferedIOBase) -> bool:
    """Whether it is a file on a disk, read from its first byte, and nothing that only looks like one."""
    return (
        isinstance(file, io.BufferedReader)
        and isinstance(file.raw, io.FileIO)
        and stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    )
