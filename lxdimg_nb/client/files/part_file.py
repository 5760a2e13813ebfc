"""Files that appear whole or not at all: written under another name in the same folder, synced, then renamed."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.text import formats

__all__ = ["PartFile", "check_disk_space", "commit_file", "copy_range", "fsync_directory", "write_atomic"]

# Kept free on the disk beside the image, for file system metadata and the sidecar.
SPARE = 1024 * 1024


class PartFile:
    """The part file of a download, beside its target: locked, ours alone (0600), never a link.

    Attributes:
        keep: leave it there at the end, so that the next export resumes it.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.path = folder / f".{fingerprint}.part"
        self._fd = -1
        self.keep = False

    def __enter__(self) -> PartFile:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._fd = os.open(self.path, flags, 0o600)
        except OSError as error:
            raise InvalidRequestError(f"cannot write in {self.path.parent}: {error.strerror}") from error
        try:
            self._lock()
            # Even setting the same mode would count as a change of the file.
            if stat.S_IMODE(os.fstat(self._fd).st_mode) != 0o600:
                os.fchmod(self._fd, 0o600)
            return self
        except BaseException:
            # An open file would stay locked for as long as this process lives.
            os.close(self._fd)
            raise

    def _lock(self) -> None:
        facts = os.fstat(self._fd)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_nlink > 1:
            raise InvalidRequestError(f"{self.path} is in the way and not ours; delete it")
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InvalidRequestError(f"another export of this image to {self.path.parent} is running") from error
        if not self._is_in_place():
            # Between opening and locking another export renamed or deleted it.
            raise InvalidRequestError(f"another export of this image to {self.path.parent} has just ended")

    def _is_in_place(self) -> bool:
        """Whether the open file is still the one with that name."""
        try:
            return os.path.samestat(self.path.lstat(), os.fstat(self._fd))
        except FileNotFoundError:
            return False

    @property
    def fd(self) -> int:
        """The descriptor of the open file."""
        return self._fd

    @property
    def size(self) -> int:
        """Bytes in it."""
        return os.fstat(self._fd).st_size

    def clear(self) -> None:
        """Make it empty."""
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        try:
            if self.keep and error is not None and self.size:
                error.add_note("What was received is kept beside the target; the same export resumes where it stopped.")
            if not self.keep and self._is_in_place():
                # Unlinked while locked, so that no other export loses its file of that name.
                self.path.unlink(missing_ok=True)
        finally:
            os.close(self._fd)


def check_disk_space(folder: Path, needed: int) -> None:
    """Raise unless the disk has that many bytes free.

    Raises:
        InvalidRequestError: it has not.
    """
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE:
        raise InvalidRequestError(
            f"{folder} has {formats.size(free)} free, the image needs {formats.size(needed)} more; nothing was written"
        )


def commit_file(fd: int, temporary: Path, final: Path) -> None:
    """Sync an open temporary file and give it its final name.

    Raises:
        InvalidRequestError: a folder has that name, or the disk does not take it.
    """
    try:
        os.fsync(fd)
        os.replace(temporary, final)
        # Afterwards: what is killed before leaves a file that nobody else can read.
        os.fchmod(fd, 0o666 & ~_umask())
    except OSError as error:
        raise InvalidRequestError(f"cannot write {final}: {error.strerror}") from error


def write_atomic(final: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Write a file under a temporary name, then rename it.

    Raises:
        InvalidRequestError: the disk does not take it; nothing has the final name.
    """
    temporary = final.with_name(f".{final.name}.new")
    temporary.unlink(missing_ok=True)
    fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "wb", closefd=False) as file:
            fill(file)
        commit_file(fd, temporary, final)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise InvalidRequestError(f"cannot write {final}: {error.strerror}") from error
        raise
    finally:
        os.close(fd)


def copy_range(source: int, offset: int, count: int, file: BinaryIO) -> None:
    """Append bytes [offset, offset+count) of an open file to another, within the kernel."""
    file.flush()
    target = file.fileno()
    while count:
        copied = os.sendfile(target, source, offset, min(count, 1 << 30))
        if not copied:
            raise InvalidRequestError("the temporary file became shorter while it was copied")
        offset, count = offset + copied, count - copied


def _umask() -> int:
    # os.umask() can only read it by setting it, for all threads at once.
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else ():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    return 0o022


def fsync_directory(folder: Path) -> None:
    """Have the disk know the names in a folder."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
