"""A folder packed as a unified image, as `lxc image import FOLDER` does."""

from __future__ import annotations

import errno
import gzip
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lxdimg_nb.client.files.progress import ProgressArgument, reporting
from lxdimg_nb.client.files.temporary_folder import temporary_folder
from lxdimg_nb.errors import InvalidImageError
from lxdimg_nb.values import Progress

__all__ = ["pack_folder", "pack_root"]


@contextmanager
def pack_folder(folder: Path, *, progress: ProgressArgument = None) -> Iterator[Path]:
    """A folder with metadata.yaml and rootfs as a tarball that exists until the block ends.

    Owners, modes, times, hard links and extended attributes are kept, so packing a root file system takes root.
    The same folder gives the same file and thus the same fingerprint.

    Raises:
        InvalidImageError: not the folder of an image, or something in it cannot be read.
    """
    if not os.path.isfile(folder / "metadata.yaml"):
        raise InvalidImageError(f"{folder} is no folder of an image: it has no metadata.yaml")
    if not (os.path.isdir(folder / "rootfs") or os.path.isfile(folder / "rootfs.img")):
        raise InvalidImageError(f"{folder} is no folder of an image: it has neither rootfs/ nor rootfs.img")
    with pack_root(folder, progress=progress) as path:
        yield path


@contextmanager
def pack_root(folder: Path, *, progress: ProgressArgument = None) -> Iterator[Path]:
    """A folder with a root file system as a tarball, as `pack_folder` makes one.

    Raises:
        InvalidImageError: something in it cannot be read.
    """
    with temporary_folder("pack") as temporary:
        path = temporary / f"{folder.resolve().name or 'image'}.tar.gz"
        try:
            _write(folder, path, progress)
        except OSError as error:
            named = error.filename or folder
            raise InvalidImageError(f"the folder cannot be packed: {named}: {error.strerror or error}") from error
        yield path


def _write(folder: Path, path: Path, progress: ProgressArgument) -> None:
    total = sum(info.st_size for info in map(Path.lstat, folder.rglob("*")) if stat.S_ISREG(info.st_mode))

    def normalise(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uname = member.gname = ""
        member.pax_headers = {**member.pax_headers, **_extended_attributes(folder / member.name)}
        return member

    with (
        reporting(progress, folder.name) as report,
        path.open("wb") as file,
        _ReportingGzip(file, lambda done: report(Progress("pack", min(done, total), total))) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        # By name, so that metadata.yaml comes before rootfs.
        for name in sorted(os.listdir(folder)):
            tar.add(folder / name, name, filter=normalise)


class _ReportingGzip(gzip.GzipFile):
    """Reports the bytes written, within large files, too. Without a time and a name in its header."""

    def __init__(self, file: Any, report: Callable[[int], None]) -> None:
        super().__init__("", "wb", 6, file, mtime=0)
        self._report, self._done = report, 0

    def write(self, data: Any) -> int:
        self._report(self._done)
        self._done += len(data)
        return super().write(data)


def _extended_attributes(path: Path) -> dict[str, str]:
    """Capabilities of programs, ACLs and the like, as GNU tar stores them."""
    if not hasattr(os, "listxattr"):
        return {}
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise
    return {
        f"SCHILY.xattr.{name}": os.getxattr(path, name, follow_symlinks=False).decode("utf-8", "surrogateescape")
        for name in names
    }
