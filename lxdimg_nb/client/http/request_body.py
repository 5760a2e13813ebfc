"""The body of an upload: streamed in constant memory, as one file or as the multipart form of a split image.

urllib3's multipart encoder wants the parts in memory.
"""

from __future__ import annotations

import io
import os
import re
import secrets
import stat
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Protocol

from lxdimg_nb.client.http.response_body import BLOCK, FileBlock
from lxdimg_nb.errors import InvalidImageError

__all__ = ["Content", "Hasher", "UploadBody"]

# What the kernel sends of a file between two reports of progress.
FILE_BLOCK = 1024 * 1024


class Content(Protocol):
    """A file to send: its size in bytes (None when only reading tells), its name, and a way to open it."""

    @property
    def size(self) -> int | None: ...
    @property
    def name(self) -> str: ...
    def open(self) -> io.BufferedIOBase: ...


class Hasher(Protocol):
    """What hashes the content of an upload: the blocks that are sent, or once all of them were."""

    @property
    def wants_blocks(self) -> bool: ...
    def update(self, block: bytes, /) -> object: ...
    def finish(self) -> object: ...


class UploadBody:
    """A request body that streams an image and reports its progress: one file as it is, two as a multipart form.

    Args:
        contents: the file of a unified image, or metadata and root file system of a split one.
        report: called with the bytes of content sent; may raise to stop.
        hasher: gets the blocks if it wants them, and is told when all of them were read.
        virtual_machine: the root file system is a disk.
        filename: the name that the server keeps; empty takes the file's own.
        sendfile: hand out blocks of files for the kernel to send, where a part is a file on disk.

    Attributes:
        content_type: the Content-Type header.
        filename: the file name for a header; empty where the body holds it.
    """

    def __init__(
        self,
        contents: Sequence[Content],
        report: Callable[[int], None],
        hasher: Hasher | None = None,
        *,
        virtual_machine: bool = False,
        filename: str = "",
        sendfile: bool = False,
    ) -> None:
        self.content_type = "application/octet-stream"
        self.filename = _header_filename(filename)
        self._parts: list[bytes | Content] = [*contents]
        if len(contents) == 2:
            self.filename = ""  # in its part
            boundary = secrets.token_hex(16)
            self.content_type = f"multipart/form-data; boundary={boundary}"
            self._parts = _form_parts(boundary, *contents, virtual_machine=virtual_machine, filename=filename)
        self._report = report
        self._hasher = hasher
        self._file: io.BufferedIOBase | None = None
        self._left: int | None = None
        self._is_content = False
        self._offset: int | None = None  # in a file that the kernel sends
        self._sendfile = sendfile and not (hasher and hasher.wants_blocks)
        sizes = [len(p) if isinstance(p, bytes) else p.size for p in self._parts]
        self._length = 0 if None in sizes else sum(s or 0 for s in sizes)
        self._sent = 0

    def __len__(self) -> int:
        """The size in bytes; 0 when it is unknown."""
        return self._length

    def __bool__(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes | FileBlock:
        """The next bytes of the body: up to `size` of them, or up to 256 KiB if that is more.

        Raises:
            InvalidImageError: a file has become shorter since its size was read.
        """
        while self._file is not None or self._open_next():
            assert self._file is not None
            block = (
                self._read_bytes(self._file, max(size, BLOCK)) if self._offset is None else self._next_block(self._file)
            )
            if not len(block):
                self._close_part()
                continue
            if self._is_content:
                self._sent += len(block)
                if self._hasher and self._hasher.wants_blocks and isinstance(block, bytes):
                    self._hasher.update(block)
                self._report(self._sent)
            if self._left is not None:
                self._left -= len(block)
            return block
        if self._hasher:
            self._hasher.finish()
        return b""

    def _read_bytes(self, file: io.BufferedIOBase, size: int) -> bytes:
        want = size if self._left is None else min(size, self._left)
        try:
            return file.read(want) if want else b""
        except OSError as error:
            # Not as an error of the connection over which it is sent.
            raise InvalidImageError(
                f"the file cannot be read: {error.strerror or error}; nothing was imported"
            ) from error

    def _next_block(self, file: io.BufferedIOBase) -> FileBlock:
        assert self._offset is not None
        assert self._left is not None
        there = os.fstat(file.fileno()).st_size - self._offset
        block = FileBlock(file, self._offset, max(0, min(FILE_BLOCK, self._left, there)))
        self._offset += block.count
        return block

    def _open_next(self) -> bool:
        if not self._parts:
            return False
        part = self._parts.pop(0)
        self._is_content = not isinstance(part, bytes)
        if isinstance(part, bytes):
            self._file, self._left, self._offset = io.BytesIO(part), len(part), None
        else:
            self._file, self._left = part.open(), part.size
            self._offset = 0 if self._sendfile and self._left is not None and _is_on_disk(self._file) else None
        return True

    def _close_part(self) -> None:
        self.close()
        if self._left:
            raise InvalidImageError("the file became shorter while it was sent; nothing was imported")

    @property
    def complete(self) -> bool:
        """Whether everything was handed out, so that the server may have it."""
        return not self._parts and (self._file is None or self._left == 0)

    def close(self) -> None:
        """Close the file that is open."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _form_parts(
    boundary: str, metadata: Content, rootfs: Content, *, virtual_machine: bool, filename: str
) -> list[bytes | Content]:
    """The form of a split upload: part `metadata`, then `rootfs` or `rootfs.img`, in that order.

    Source: LXD doc/rest-api, POST /1.0/images; the second part's name decides container or virtual machine.
    """
    parts: list[bytes | Content] = []
    for content, name, own in (
        (metadata, "metadata", metadata.name),
        # Servers keep this one as the image's file name.
        (rootfs, "rootfs.img" if virtual_machine else "rootfs", filename or rootfs.name),
    ):
        # A file name must not end the header that it is in.
        safe = re.sub(r'[\x00-\x1f\x7f"\\]', "_", PurePath(own).name) or name.removesuffix(".img")
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{safe}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        parts += [head.encode(), content, b"\r\n"]
    return [*parts, f"--{boundary}--\r\n".encode()]


def _header_filename(name: str) -> str:
    """A file name for a header: its UTF-8, which is what lxc sends, written as the Latin-1 that headers are."""
    plain = re.sub(r"[\x00-\x1f\x7f]", "_", PurePath(name).name).strip()
    return plain.encode(errors="replace").decode("latin-1")


def _is_on_disk(file: io.BufferedIOBase) -> bool:
    """Whether it is a regular file opened from its first byte, and nothing that only looks like one."""
    return (
        isinstance(file, io.BufferedReader)
        and isinstance(file.raw, io.FileIO)
        and stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    )
