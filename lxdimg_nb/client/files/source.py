"""What is to be uploaded: bytes, a path or an open file become one thing, read in constant memory."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from lxdimg_nb.errors import InvalidImageError, InvalidRequestError

__all__ = ["BLOCK", "Data", "NonClosingFile", "Source"]

Data = bytes | bytearray | memoryview | str | os.PathLike[str] | BinaryIO

BLOCK = 1024 * 1024


class Source:
    """Bytes that can be read from the start, more than once when `rereadable`, by two at once when `parallel`.

    `size` is the number of bytes, None when only reading tells. `name` is a file's own name, else empty.
    `is_file`: it is a file on disk from its first byte to its last.
    """

    def __init__(
        self,
        opener: Callable[[], BinaryIO],
        size: int | None,
        name: str,
        *,
        rereadable: bool,
        parallel: bool,
        is_file: bool = False,
    ) -> None:
        self._opener = opener
        self.size = size
        self.name = name
        self.rereadable = rereadable
        self.parallel = parallel
        self.is_file = is_file

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
        if isinstance(data, str) and data.lower().startswith(("https://", "http://")):
            raise InvalidImageError(f"{data[:200]} is an address and no file; use images.create_from_url(…)")
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
        size = _not_empty(size, str(path))
        return cls(lambda: path.open("rb"), size, path.name, rereadable=True, parallel=True, is_file=True)

    @classmethod
    def _of_file(cls, file: BinaryIO) -> Source:
        name = getattr(file, "name", "")
        name = Path(name).name if isinstance(name, str) else ""
        try:
            start = file.tell()
            end = file.seek(0, os.SEEK_END)
            file.seek(start)
        except (OSError, AttributeError, ValueError):
            return cls(lambda: cast(BinaryIO, NonClosingFile(file)), None, name, rereadable=False, parallel=False)

        def again() -> BinaryIO:
            file.seek(start)
            return cast(BinaryIO, NonClosingFile(file))

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
        return Source(opener, size, "", rereadable=self.rereadable, parallel=self.parallel)


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


class NonClosingFile(io.BufferedIOBase):
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
