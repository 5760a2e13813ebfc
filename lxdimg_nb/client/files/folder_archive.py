"""A folder as the file of a unified image, as `lxc image import FOLDER` packs it."""

from __future__ import annotations

import errno
import gzip
import os
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from lxdimg_nb.client.files.progress import ProgressArgument, Report, reporting
from lxdimg_nb.errors import InvalidImageError
from lxdimg_nb.values import Progress

__all__ = ["pack_folder"]


@contextmanager
def pack_folder(folder: Path, *, progress: ProgressArgument = None) -> Iterator[Path]:
    """A folder with metadata.yaml and rootfs as a tarball, for as long as the block lasts.

    Owners, modes, times, hard links and extended attributes stay as they are: packing a root file system wants
    root. The same folder makes the same file, and so the same fingerprint.

    Raises:
        InvalidImageError: no folder of an image, or something in it cannot be read.
    """
    if not (folder / "metadata.yaml").is_file():
        raise InvalidImageError(f"{folder} is no folder of an image: it has no metadata.yaml")
    if not ((folder / "rootfs").is_dir() or (folder / "rootfs.img").is_file()):
        raise InvalidImageError(f"{folder} is no folder of an image: it has neither rootfs/ nor rootfs.img")
    with tempfile.TemporaryDirectory(prefix="lxdimg-pack-") as place:
        path = Path(place) / f"{folder.resolve().name or 'image'}.tar.gz"
        try:
            _write(folder, path, progress)
        except OSError as error:
            named = error.filename or folder
            raise InvalidImageError(f"the folder cannot be packed: {named}: {error.strerror or error}") from error
        yield path


def _write(folder: Path, path: Path, progress: ProgressArgument) -> None:
    found = [one for one in _below(folder, "") if not stat.S_ISSOCK(one[1].st_mode)]
    total = sum(info.st_size for _, info in found if stat.S_ISREG(info.st_mode))
    done = 0
    with reporting(progress, folder.name) as report, path.open("wb") as file:
        # Without a time and a name in its head the same content makes the same file.
        zipped = gzip.GzipFile("", "wb", 6, file, mtime=0)
        with zipped, tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, info in found:
                report(Progress("pack", done, total))
                member = tar.gettarinfo(str(folder / name), name)
                member.uname = member.gname = ""
                member.pax_headers = {**member.pax_headers, **_attributes(folder / name)}
                if not member.isreg():
                    tar.addfile(member)
                    continue
                with (folder / name).open("rb") as content:
                    tar.addfile(member, cast(IO[bytes], _Told(content, done, total, report)))
                done += info.st_size


class _Told:
    """A file that tells how far it was read, so that a large one can be stopped as well."""

    def __init__(self, file: IO[bytes], done: int, total: int, report: Report) -> None:
        self._file, self._done, self._total, self._report = file, done, total, report

    def read(self, size: int = -1) -> bytes:
        self._report(Progress("pack", self._done, self._total))
        data = self._file.read(size)
        self._done += len(data)
        return data


def _below(folder: Path, under: str) -> Iterator[tuple[str, os.stat_result]]:
    """Everything in a folder by name, in the order of names: metadata.yaml comes before rootfs."""
    with os.scandir(folder / under) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            name = f"{under}/{entry.name}" if under else entry.name
            yield name, entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                yield from _below(folder, name)


def _attributes(path: Path) -> dict[str, str]:
    """Extended attributes (capabilities of programs, ACLs) as GNU tar keeps them."""
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
