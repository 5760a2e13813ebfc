"""What is to be uploaded: bytes, a path or an open file become one thing, read in constant memory."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from lxdimg_nb.errors import InvalidImageError, InvalidRequestError

__all__ = ["BackgroundDigest", "Data", "Multipart", "Outgoing", "Source", "digest"]

Data = bytes | bytearray | memoryview | str | os.PathLike[str] | BinaryIO

BLOCK = 1024 * 1024


class Source:
    """Bytes that can be read from the start, more than once when `rereadable`, by two at once when `parallel`.

    `size` is the number of bytes, None when only reading tells. `name` is a file's own name, else empty.
    """

    def __init__(
        self, opener: Callable[[], BinaryIO], size: int | None, name: str, *, rereadable: bool, parallel: bool
    ) -> None:
        self._opener = opener
        self.size = size
        self.name = name
        self.rereadable = rereadable
        self.parallel = parallel

    @classmethod
    def of(cls, data: Data) -> Source:
        """From bytes, a path, or a binary file (read from where it stands).

        Raises:
            InvalidImageError: no such file, a folder, an empty file.
            InvalidRequestError: something else altogether, or a file opened as text.
        """
        if isinstance(data, bytes | bytearray | memoryview):
            content = bytes(data)
            return cls(
                lambda: io.BytesIO(content),
                _not_empty(len(content), "the data"),
                "",
                rereadable=True,
                parallel=True,
            )
        if isinstance(data, str | os.PathLike):
            return cls._of_path(Path(data).expanduser())
        if not hasattr(data, "read"):
            raise InvalidRequestError(f"cannot upload a {type(data).__name__}; give bytes, a path or an open file")
        if "b" not in getattr(data, "mode", "b") and isinstance(getattr(data, "mode", ""), str):
            raise InvalidRequestError("the file is open as text; open it with mode 'rb'")
        return cls._of_file(data)

    @classmethod
    def _of_path(cls, path: Path) -> Source:
        try:
            if path.is_dir():
                raise InvalidImageError(f"{path} is a folder; give the file of an image")
            size = path.stat().st_size
            with path.open("rb"):
                pass
        except OSError as error:
            raise InvalidImageError(f"cannot read {path}: {error.strerror or error}") from error
        return cls(lambda: path.open("rb"), _not_empty(size, str(path)), path.name, rereadable=True, parallel=True)

    @classmethod
    def _of_file(cls, file: BinaryIO) -> Source:
        name = getattr(file, "name", "")
        name = Path(name).name if isinstance(name, str) else ""
        try:
            start = file.tell()
            end = file.seek(0, os.SEEK_END)
            file.seek(start)
        except (OSError, AttributeError, ValueError):
            return cls(lambda: cast(BinaryIO, _Borrowed(file)), None, name, rereadable=False, parallel=False)

        def again() -> BinaryIO:
            file.seek(start)
            return cast(BinaryIO, _Borrowed(file))

        return cls(again, _not_empty(end - start, name or "the file"), name, rereadable=True, parallel=False)

    def open(self) -> BinaryIO:
        """A file at the first byte; closing it leaves a file of the caller's open."""
        return self._opener()

    def section(self, offset: int, size: int) -> Source:
        """Bytes [offset, offset+size) as a source of their own."""

        def opened() -> BinaryIO:
            file = self._opener()
            skip = offset
            while skip and (chunk := file.read(min(skip, BLOCK))):
                skip -= len(chunk)
            return cast(BinaryIO, io.BufferedReader(_Window(file, size), BLOCK))

        def sought() -> BinaryIO:
            file = self._opener()
            file.seek(offset)
            return cast(BinaryIO, io.BufferedReader(_Window(file, size), BLOCK))

        opener = sought if self.parallel else opened
        return Source(opener, size, self.name, rereadable=self.rereadable, parallel=self.parallel)


class _Window(io.RawIOBase):
    """The next so many bytes of a file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        chunk = self._file.read(min(len(view), self._left))
        view[: len(chunk)] = chunk
        self._left -= len(chunk)
        return len(chunk)

    def close(self) -> None:
        self._file.close()
        super().close()


def _not_empty(size: int, what: str) -> int:
    if size == 0:
        raise InvalidImageError(f"{what} is empty; it holds no image")
    return size


class _Borrowed(io.BufferedIOBase):
    """A file of the caller's: read, never closed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int | None = -1, /) -> bytes:
        chunk: object = self._file.read(-1 if size is None else size)
        if not isinstance(chunk, bytes | bytearray | type(None)):
            raise InvalidRequestError("the file does not read as bytes; open it with mode 'rb'")
        return bytes(chunk or b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(getattr(self._file, "seekable", bool)())

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        pass


def digest(sources: Sequence[Source], report: Callable[[int], None]) -> str:
    """SHA-256 over all sources one after the other, as servers make a fingerprint; 64 hexadecimal digits.

    `report` is told the bytes hashed so far and may raise to stop.
    """
    sha = hashlib.sha256()
    buffer = bytearray(BLOCK)
    view = memoryview(buffer)
    done = 0
    for source in sources:
        with source.open() as file:
            readinto = getattr(file, "readinto", None)
            while True:
                if readinto is not None and not isinstance(file, _Borrowed):
                    count = readinto(view)
                    sha.update(view[:count])
                else:
                    chunk = file.read(BLOCK)
                    count = len(chunk)
                    sha.update(chunk)
                if not count:
                    break
                done += count
                report(done)
    return sha.hexdigest()


class Outgoing:
    """A request body that streams its parts, in constant memory, and tells how far it is.

    Parts are bytes (framing) or sources (content). With `hashed`, the content is hashed in the same pass.
    """

    def __init__(self, parts: Sequence[bytes | Source], report: Callable[[int], None], *, hashed: bool = False) -> None:
        self._parts = list(parts)
        self._report = report
        self._current: BinaryIO | None = None
        self._left: int | None = None
        self._content = False
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

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes of the body. The caller's block size is a lower bound: 256 KiB at least.

        Raises:
            InvalidImageError: a file has become shorter since its size was read.
        """
        size = max(size, 256 * 1024)
        while True:
            if self._current is None and not self._next():
                return b""
            assert self._current is not None
            want = size if self._left is None else min(size, self._left)
            chunk = self._current.read(want) if want else b""
            if not chunk:
                self._finish()
                continue
            self.sent += len(chunk)
            if self._left is not None:
                self._left -= len(chunk)
            if self._content:
                self.content_sent += len(chunk)
                if self._sha is not None:
                    self._sha.update(chunk)
                self._report(self.content_sent)
            return chunk

    def _next(self) -> bool:
        if not self._parts:
            return False
        part = self._parts.pop(0)
        self._content = isinstance(part, Source)
        if isinstance(part, Source):
            self._current, self._left = part.open(), part.size
        else:
            self._current, self._left = io.BytesIO(part), len(part)
        return True

    def _finish(self) -> None:
        assert self._current is not None
        self._current.close()
        self._current = None
        if self._left:
            raise InvalidImageError("the file became shorter while it was sent; nothing was imported")

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


class Multipart:
    """The framing of a split upload: part `metadata`, then `rootfs` or `rootfs.img`, in that order.

    Source: LXD doc/rest-api, POST /1.0/images; the part's name decides container or virtual machine.
    """

    def __init__(self, metadata: Source, rootfs: Source, *, virtual_machine: bool) -> None:
        self._boundary = secrets.token_hex(16)
        self._files = (
            (metadata, "metadata", "metadata"),
            (rootfs, "rootfs.img" if virtual_machine else "rootfs", "rootfs"),
        )

    @property
    def content_type(self) -> str:
        """The Content-Type header."""
        return f"multipart/form-data; boundary={self._boundary}"

    @property
    def parts(self) -> list[bytes | Source]:
        """Framing and content in order."""
        found: list[bytes | Source] = []
        for source, name, filename in self._files:
            head = (
                f'--{self._boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n"
            )
            found += [head.encode(), source, b"\r\n"]
        return [*found, f"--{self._boundary}--\r\n".encode()]


class BackgroundDigest:
    """SHA-256 of files in a thread, while they are being sent."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._stop = threading.Event()
        self._result = ""
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="lxdimg-hash", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        def check(_: int) -> None:
            if self._stop.is_set():
                raise InterruptedError("stopped")

        try:
            self._result = digest(self._sources, check)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that asks
            self._error = error

    def result(self) -> str:
        """The fingerprint, waiting for it."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result

    def stop(self) -> None:
        """Give up; returns when the thread has ended."""
        self._stop.set()
        self._thread.join()
