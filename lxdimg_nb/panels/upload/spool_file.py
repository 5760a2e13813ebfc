"""The spool folder: files from a browser stay there until they are images. Private (0600) and resumable."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.text import formats

__all__ = ["SPOOL_NAME", "Hashing", "Spool", "SpoolFile", "default_folder", "is_own_file", "write_all"]

SPOOL_NAME = re.compile(r"^[0-9a-f]{32}\.part$")
# An interrupted upload goes on if so much of its end is the same.
PROBE_SIZE = 1 << 20
# Kept free beside the file.
SPARE_SIZE = 16 << 20
MAX_AGE_SECONDS = 2 * 86_400.0


def default_folder() -> Path:
    """Return `$LXDIMG_SPOOL`, else a folder of the user's own in the temporary directory."""
    chosen = os.environ.get("LXDIMG_SPOOL")
    return Path(chosen) if chosen else Path(tempfile.gettempdir()) / f"lxdimg-spool-{os.getuid()}"


def is_own_file(fd: int) -> bool:
    """Whether an open file is a regular file of this user under one name only."""
    status = os.fstat(fd)
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid() and status.st_nlink == 1


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of the data to an open file."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


@dataclass(frozen=True, slots=True)
class SpoolFile:
    """A file that arrives, `size` bytes in the end."""

    path: Path
    name: str
    size: int

    @property
    def have(self) -> int:
        """The number of bytes that have arrived."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def probe(self) -> str:
        """Return the SHA-256 of the last MiB, to see whether a browser's file continues it."""
        with self.path.open("rb") as file:
            file.seek(max(0, self.have - PROBE_SIZE))
            return hashlib.sha256(file.read(PROBE_SIZE)).hexdigest()

    def append(self, offset: int, data: bytes | memoryview) -> None:
        """Write data at an offset, which must be the end of what is there.

        Raises:
            InvalidRequestError: it belongs elsewhere, or is more than was announced.
        """
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            have = os.fstat(fd).st_size
            if offset != have or have + len(data) > self.size:
                raise InvalidRequestError(f"a piece of {self.name} came for byte {offset:,} where {have:,} was due")
            write_all(fd, data)
        finally:
            os.close(fd)

    @contextmanager
    def hashing(self) -> Iterator[Hashing]:
        """Open the file to hash it as it grows."""
        fd = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield Hashing(fd)
        finally:
            os.close(fd)

    def restart(self) -> None:
        """Drop what has arrived."""
        os.truncate(self.path, 0)

    def remove(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)


class Hashing:
    """SHA-256 of an open file that grows."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.sha = hashlib.sha256()
        self._done = 0
        self._buffer = memoryview(bytearray(PROBE_SIZE))

    def restart(self) -> None:
        """Begin again, because the file was emptied."""
        self.sha, self._done = hashlib.sha256(), 0

    def catch_up(self) -> None:
        """Hash what has arrived since the last call."""
        while count := os.preadv(self.fd, [self._buffer], self._done):
            self.sha.update(self._buffer[:count])
            self._done += count


class Spool:
    """The spool folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_folder()

    def file(self, name: str, size: int, modified: int) -> SpoolFile:
        """Return the file for a browser's file: the same again for the same name, size and time.

        Raises:
            InvalidRequestError: the folder is not the user's own, or has not enough space.
        """
        if size <= 0:
            raise InvalidRequestError(f"{name} is empty")
        self._prepare()
        key = hashlib.sha256(f"{name}\0{size}\0{modified}".encode(errors="replace")).hexdigest()[:32]
        found = SpoolFile(self.folder / f"{key}.part", name, size)
        fd = os.open(found.path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            if not is_own_file(fd):
                raise InvalidRequestError(f"{found.path} is in the way and not ours; delete it")
            if os.fstat(fd).st_size > size:
                os.ftruncate(fd, 0)
        finally:
            os.close(fd)
        free, needed = shutil.disk_usage(self.folder).free, size - found.have
        if free < needed + SPARE_SIZE:
            if not found.have:
                found.remove()
            raise InvalidRequestError(
                f"{self.folder} has {formats.size(free)} free and {name} needs {formats.size(needed)}; "
                "set LXDIMG_SPOOL to a folder with more space before the kernel starts"
            )
        return found

    def _prepare(self) -> None:
        """Create the folder, check that it is private, and delete forgotten files."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self.folder.lstat()
        except OSError as error:
            raise InvalidRequestError(f"{self.folder} cannot be used: {error.strerror}") from error
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
            raise InvalidRequestError(
                f"{self.folder} is not a folder of yours alone; set LXDIMG_SPOOL to one before the kernel starts"
            )
        oldest = time.time() - MAX_AGE_SECONDS
        for path in self.folder.iterdir():
            if SPOOL_NAME.match(path.name) and path.lstat().st_mtime < oldest:
                path.unlink(missing_ok=True)
