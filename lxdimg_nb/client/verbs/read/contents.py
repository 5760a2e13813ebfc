"""The contents of an image: metadata.yaml and the list of files, read as a stream with limits, never extracted."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lxdimg_nb.client.files.formats.archive import Member, open_tar
from lxdimg_nb.client.files.formats.file_kinds import ARCHIVES, HEAD_SIZE, file_kind
from lxdimg_nb.client.files.formats.metadata_yaml import MAX_SIZE, parse_metadata, read_metadata
from lxdimg_nb.client.files.inside.squashfs import open_squashfs
from lxdimg_nb.client.http.multipart_reader import MultipartReader
from lxdimg_nb.client.http.response_body import ChunkFile
from lxdimg_nb.client.project import Project
from lxdimg_nb.client.verbs.read.range_file import open_image
from lxdimg_nb.errors import InvalidImageError
from lxdimg_nb.values import ImageRecord

if TYPE_CHECKING:
    import pandas


__all__ = ["Contents", "read_contents"]

# Beyond this many decompressed bytes, files, or characters of their names, the list is cut and says so.
MAX_BYTES = 64 * 1024**3
MAX_MEMBERS = 2_000_000
MAX_NAMES = 128 * 1024 * 1024
# Files named metadata.yaml that are read; the last one counts.
MAX_AGAIN = 3


@dataclass(frozen=True)
class Contents:
    """The contents of an image.

    Attributes:
        metadata: the content of metadata.yaml.
        members: the files of a unified image, or those in the metadata part of a split one.
        complete: False when a limit was reached, or when the root file system is no archive (squashfs, a disk).
        fingerprint: that of the image.
    """

    metadata: dict[str, Any]
    members: tuple[Member, ...]
    complete: bool
    fingerprint: str

    @property
    def files(self) -> pandas.DataFrame:
        """The members as a frame, index `path`; columns kind (category), size (int64, bytes), mode, uid, gid
        (int64), modified_at (datetime64[us, UTC]), target (where a link points)."""
        from lxdimg_nb.client.verbs.read.file_frame import files_frame

        return files_frame(self.members)

    def compare(self, other: Contents) -> pandas.DataFrame:
        """The differences to another image: one row for each path that was added, removed or changed.

        Returns:
            Index `path`; columns `change` (`added` in the other, `removed`, `changed`), `size_before`, `size_after`.
        """
        from lxdimg_nb.client.verbs.read.file_frame import compare_files

        return compare_files(self.members, other.members)

    def __repr__(self) -> str:
        more = "" if self.complete else " (not everything could be read)"
        return f"<Contents of {self.fingerprint[:12]}: {len(self.members):,} files{more}>"


def read_contents(project: Project, record: ImageRecord) -> Contents:
    """See `Image.contents`. Source: GET /1.0/images/{fingerprint}/export, read once from its beginning."""
    with _first_file(project, record) as (file, split):
        head = file.peek(HEAD_SIZE)[:HEAD_SIZE]
        kind = file_kind(head)
        if kind == "squashfs" and not split:
            return _squashfs_contents(project, record)
        if kind not in ARCHIVES:
            raise InvalidImageError(f"this image's files cannot be listed: it is {kind or 'of an unknown kind'}")
        metadata: dict[str, Any] = {}
        members: list[Member] = []
        names = again = 0
        with open_tar(kind, file, limit=MAX_BYTES) as tar:
            for info in tar:
                if info.name.removeprefix("./") == "metadata.yaml" and info.isfile() and again < MAX_AGAIN:
                    metadata, again = read_metadata(tar, info)[0], again + 1
                members.append(Member.from_tar(info))
                names += len(info.name) + len(info.linkname)
                tar.members.clear()  # type: ignore[attr-defined]
                if len(members) >= MAX_MEMBERS or names > MAX_NAMES:
                    return Contents(metadata, tuple(members), False, record.fingerprint)
    return Contents(metadata, tuple(members), not split, record.fingerprint)


def _squashfs_contents(project: Project, record: ImageRecord) -> Contents:
    """Of a unified image that is a squashfs, which is read at random by Range."""
    with open_image(project, record) as file, open_squashfs(file) as files:
        content = files.read("metadata.yaml", MAX_SIZE + 1)
        metadata = parse_metadata(content)[0] if content is not None else {}
        members, names = [], 0
        for member in files.members():
            members.append(member)
            names += len(member.path) + len(member.target)
            if names > MAX_NAMES:
                return Contents(metadata, tuple(members), False, record.fingerprint)
        return Contents(metadata, tuple(members), True, record.fingerprint)


@contextmanager
def _first_file(project: Project, record: ImageRecord) -> Iterator[tuple[io.BufferedReader, bool]]:
    """The unified image, or the metadata part of a split image, as a file; and whether it is split."""
    with project.content(record.fingerprint) as stream:
        if not stream.boundary:
            yield io.BufferedReader(stream, 256 * 1024), False
            return
        for name, chunks in MultipartReader(stream).parts():
            if name != "metadata":
                break
            yield io.BufferedReader(ChunkFile(chunks), 256 * 1024), True
            return
    raise InvalidImageError("the server sent this image without a metadata part")
