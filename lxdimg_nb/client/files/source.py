"""Data to upload: bytes, a path or an open file as one thing, read in constant memory."""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from lxdimg_nb.errors import InvalidImageError, InvalidRequestError
from lxdimg_nb.values.validation import expanded_path

__all__ = ["BLOCK", "CountedFile", "Data", "Source", "position_kept", "read_exactly", "refuse_address", "tail_of"]

Data = bytes | bytearray | memoryview | str | os.PathLike[str] | BinaryIO

BLOCK = 1024 * 1024
_ADDRESS = re.compile(r"\s*([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Source:
    """Bytes that can be read from their beginning.

    Attributes:
        size: number of bytes; None when only reading tells.
        name: the file's own name; empty when there is none.
        rereadable: can be opened more than once.
        parallel: can be open twice at the same time.
        is_file: a file on disk from its first byte to its last.
    """

    _open: Callable[[], io.BufferedIOBase]
    size: int | None
    name: str = ""
    rereadable: bool = True
    parallel: bool = True
    is_file: bool = False

    @classmethod
    def of(cls, data: Data) -> Source:
        """From bytes, a path, or a binary file (read from its current position).

        Raises:
            InvalidImageError: no such file, a folder, a pipe or device, an empty file.
            InvalidRequestError: neither of them, or a file opened as text.
        """
        if isinstance(data, bytes | bytearray | memoryview):
            content = bytes(data)
            return cls(lambda: io.BytesIO(content), _not_empty(len(content), "the data"))
        refuse_address(data)
        if isinstance(data, str | os.PathLike):
            return cls._of_path(expanded_path(data))
        if not hasattr(data, "read"):
            raise InvalidRequestError(f"cannot upload a {type(data).__name__}; give bytes, a path or an open file")
        if "b" not in getattr(data, "mode", "b") and isinstance(getattr(data, "mode", ""), str):
            raise InvalidRequestError("the file is open as text; open it with mode 'rb'")
        return cls._of_file(data)

    @classmethod
    def _of_path(cls, path: Path) -> Source:
        try:
            status = path.stat()
            if stat.S_ISDIR(status.st_mode):
                raise InvalidImageError(f"{path} is a folder; give the file of an image")
            if not stat.S_ISREG(status.st_mode):
                # Opening a pipe that nobody writes to would never return.
                raise InvalidImageError(f"{path} is no regular file; open it, and give what open() returns")
            with path.open("rb"):
                pass
        except OSError as error:
            raise InvalidImageError(f"cannot read {path}: {error.strerror or error}") from error
        return cls(lambda: path.open("rb"), _not_empty(status.st_size, str(path)), path.name, is_file=True)

    @classmethod
    def _of_file(cls, file: BinaryIO) -> Source:
        name = getattr(file, "name", "")
        name = Path(name).name if isinstance(name, str) else ""
        try:
            start = file.tell()
            end = file.seek(0, os.SEEK_END)
            file.seek(start)
        except (OSError, AttributeError, ValueError):
            return cls(lambda: _NonClosingFile(file), None, name, rereadable=False, parallel=False)

        def rewind() -> io.BufferedIOBase:
            file.seek(start)
            return _NonClosingFile(file)

        return cls(rewind, _not_empty(end - start, name or "the file"), name, parallel=False)

    def open(self) -> io.BufferedIOBase:
        """A file at the first byte. Closing it leaves a file of the caller open."""
        return self._open()

    def section(self, offset: int, size: int) -> Source:
        """Bytes [offset, offset+size) of a rereadable source as a source of their own."""

        def seek() -> io.BufferedIOBase:
            file = self.open()
            file.seek(file.tell() + offset)
            return io.BufferedReader(_Window(file, size), BLOCK)

        return Source(seek, size, parallel=self.parallel)


def refuse_address(data: object) -> None:
    """Raise InvalidImageError for an address, which would be a strange path."""
    if isinstance(data, str) and (address := _ADDRESS.match(data)):
        advice = "give the path of a file" if address[1] != "https" else "use images.create_from_url(…)"
        raise InvalidImageError(f"{data[:200]} is an address and no file; {advice}")


class _Window(io.RawIOBase):
    """The next bytes of a file, up to a number of them."""

    def __init__(self, file: io.BufferedIOBase, size: int) -> None:
        self._file = file
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(memoryview(buffer)[: self._left])
        self._left -= count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def _not_empty(size: int, what: str) -> int:
    if size == 0:
        raise InvalidImageError(f"{what} is empty; it holds no image")
    return size


class _NonClosingFile(io.BufferedIOBase):
    """A file of the caller, which is read but never closed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int | None = -1, /) -> bytes:
        try:
            chunk: object = self._file.read(-1 if size is None else size)
        except (OSError, ValueError) as error:
            # Not as an error of the connection over which it is sent.
            raise InvalidImageError(f"the file cannot be read: {getattr(error, 'strerror', None) or error}") from error
        if chunk is None:
            raise InvalidRequestError("the file does not wait for its next bytes (O_NONBLOCK); open it without that")
        if not isinstance(chunk, bytes | bytearray):
            raise InvalidRequestError("the file does not read as bytes; open it with mode 'rb'")
        return bytes(chunk)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        pass


@contextmanager
def position_kept(*given: Data | None) -> Iterator[None]:
    """Put open files of the caller back to where they are, so that they can be read once more."""
    positions = []
    for data in given:
        with suppress(OSError, AttributeError, ValueError):
            if data is not None and not isinstance(data, bytes | bytearray | memoryview | str | os.PathLike):
                positions.append((data, data.tell()))
    try:
        yield
    finally:
        for file, position in positions:
            with suppress(OSError, ValueError):
                file.seek(position)


class CountedFile:
    """A file that tells how much of it was read.

    Args:
        file: read from its current position.
        report: called with the bytes read so far; may raise to stop.
    """

    def __init__(self, file: io.BufferedIOBase, report: Callable[[int], None]) -> None:
        self._file, self._report, self._done = file, report, 0

    def read(self, size: int) -> bytes:
        """The next bytes; none at the end."""
        block = self._file.read(size)
        self._done += len(block)
        self._report(self._done)
        return block


def read_exactly(file: io.BufferedIOBase, size: int) -> bytes:
    """The next bytes, fewer only at the end."""
    blocks = []
    while size and (block := file.read(size)):
        blocks.append(block)
        size -= len(block)
    return b"".join(blocks)


def tail_of(file: io.BufferedIOBase) -> bytes:
    """The last 512 bytes; empty where they cannot be reached."""
    try:
        file.seek(-512, io.SEEK_END)
        return file.read(512)
    except (OSError, ValueError):
        return b""
