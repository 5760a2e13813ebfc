"""The files of a container image by name: in a folder, or in a tarball that is read at random and never extracted."""

from __future__ import annotations

import json
import posixpath
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lxdimg_nb.client.files.formats.archive import BoundedInfo, open_decompressed, read_errors
from lxdimg_nb.client.files.source import BLOCK, Source
from lxdimg_nb.errors import InvalidImageError

__all__ = ["ImageParts", "open_folder", "open_tarball"]

MAX_MEMBERS = 100_000
MAX_LINKS = 8
# What registries take of a manifest; a configuration is smaller.
MAX_JSON = 4 * 1024 * 1024
# Of all manifests and configurations together, as often as they are read.
MAX_ALL_JSON = 8 * MAX_JSON


class ImageParts:
    """Finds the parts of a container image by their names.

    Args:
        find: the file of a name; None when there is none.
    """

    def __init__(self, find: Callable[[str], Source | None]) -> None:
        self._find = find
        self._left = MAX_ALL_JSON

    def __contains__(self, name: str) -> bool:
        return self._find(name) is not None

    def source(self, name: str) -> Source:
        """The file of that name.

        Raises:
            InvalidImageError: there is none.
        """
        source = self._find(name)
        if source is None:
            raise InvalidImageError(f"{name[:100]!r} is missing in it; save the image again")
        return source

    def json(self, name: str) -> Any:
        """The content of a JSON file.

        Raises:
            InvalidImageError: there is none, or it is none or too large.
        """
        return parse_json(name, self.small_file(name))

    def small_file(self, name: str) -> bytes:
        """The content of a manifest or a configuration; of a larger file its beginning.

        Raises:
            InvalidImageError: there is none, or there are more than any image has.
        """
        with self.source(name).open() as file:
            content = file.read(MAX_JSON + 1)
        self._left -= len(content)
        if self._left < 0:
            raise InvalidImageError(f"its manifests and configurations have more than {MAX_ALL_JSON} bytes")
        return content


def parse_json(name: str, content: bytes) -> Any:
    """The value in a small JSON file.

    Raises:
        InvalidImageError: it is none or too large.
    """
    if len(content) > MAX_JSON:
        raise InvalidImageError(f"{name[:100]!r} in it has more than {MAX_JSON} bytes")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidImageError(f"{name[:100]!r} in it is no JSON: {error}") from error


def open_folder(folder: Path) -> ImageParts:
    """The files in a folder. Links that lead out of it are as if they were not there."""
    root = folder.resolve()

    def find(name: str) -> Source | None:
        try:
            path = (root / name.lstrip("/")).resolve()
            inside = path.is_relative_to(root) and path.is_file()
        except (OSError, ValueError, RuntimeError):
            return None
        return Source.of(path) if inside else None

    return ImageParts(find)


@contextmanager
def open_tarball(kind: str, source: Source, *, limit: int) -> Iterator[ImageParts]:
    """The files in a tarball; one that is compressed is decompressed to a temporary file until the block ends.

    Args:
        kind: of compression, as of `file_kind`.
        source: the tarball.
        limit: decompressed bytes.

    Raises:
        InvalidImageError: it cannot be read.
        UncheckedError: more than `limit` decompressed bytes, or zstd without the package for it.
    """
    if kind == "tar":
        yield ImageParts(_index(source))
        return
    with tempfile.TemporaryFile() as spool:
        with read_errors(), source.open() as file:
            shutil.copyfileobj(open_decompressed(kind, file, limit=limit), spool, BLOCK)
        spool.seek(0)
        yield ImageParts(_index(Source.of(spool)))


def _index(source: Source) -> Callable[[str], Source | None]:
    places: dict[str, tuple[int, int]] = {}
    links: dict[str, str] = {}
    with read_errors(), source.open() as file:
        start = file.tell()
        with tarfile.open(fileobj=file, mode="r:", tarinfo=BoundedInfo) as tar:
            for number, member in enumerate(tar):
                if number >= MAX_MEMBERS:
                    raise InvalidImageError(f"it has more than {MAX_MEMBERS:,} files")
                name = posixpath.normpath(member.name.lstrip("/"))
                if member.isreg() and member.sparse is None:
                    places[name] = (member.offset_data - start, member.size)
                elif member.issym():
                    links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
                elif member.islnk():
                    links[name] = posixpath.normpath(member.linkname)
                tar.members.clear()  # type: ignore[attr-defined]

    def find(name: str) -> Source | None:
        name = posixpath.normpath(name.lstrip("/"))
        for _ in range(MAX_LINKS):
            if name in places:
                return source.section(*places[name])
            name = links.get(name, "")
        return None

    return find
