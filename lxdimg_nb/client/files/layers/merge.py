"""The layers of a container image laid over each other as one tarball, streamed from tarball to tarball."""

from __future__ import annotations

import functools
import gzip
import hashlib
import tarfile
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, cast

from lxdimg_nb.client.files.formats.archive import StrictInfo, is_tar, open_decompressed, read_errors, unpack_limit
from lxdimg_nb.client.files.formats.file_kinds import ARCHIVES, HEAD_SIZE, file_kind
from lxdimg_nb.client.files.layers.container_image import Layer
from lxdimg_nb.client.files.layers.file_tree import FileTree
from lxdimg_nb.client.files.source import BLOCK
from lxdimg_nb.errors import InvalidImageError

__all__ = ["content_reader", "read_layers", "write_layers"]

# Of gzip: nearly as small as the default in half the time.
LEVEL = 4
# Seconds since 1970 that every system can keep.
_LATEST = 2**33

Visit = Callable[[int, int, tarfile.TarInfo, tarfile.TarFile], None]


def read_layers(layers: Sequence[Layer], report: Callable[[int], None]) -> FileTree:
    """The files that the layers make together. Every byte of them is checked against the digests.

    Args:
        layers: the lowest first.
        report: called with the bytes read so far; may raise to stop.

    Raises:
        InvalidImageError: a layer cannot be read, or is not what its digest says.
        UncheckedError: it unpacks to more than any honest layer does, or is zstd without the package for it.
    """
    tree = FileTree(whiteouts=True)
    _visit(
        layers, lambda number, index, member, tar: tree.add(number, index, member, content_reader(tar, member)), report
    )
    return tree


def write_layers(tree: FileTree, layers: Sequence[Layer], file: BinaryIO, report: Callable[[int], None]) -> None:
    """Write the files as one gzipped tarball: the same bytes for the same layers.

    Args:
        tree: what `read_layers` made of these layers.
        layers: the lowest first.
        file: written from its current position.
        report: called with the bytes read so far; may raise to stop.
    """
    wanted: list[dict[int, list[str]]] = [{} for _ in layers]
    for path, node in tree.walk():
        if node.number >= 0:
            wanted[node.layer].setdefault(node.number, []).append(path)
    left = sum(unpack_limit(layer.source.size) for layer in layers)
    with (
        gzip.GzipFile("", "wb", LEVEL, file, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as output,
    ):

        def write(number: int, index: int, member: tarfile.TarInfo, tar: tarfile.TarFile) -> None:
            nonlocal left
            paths = wanted[number].pop(index, [])
            left -= member.size if member.isreg() and paths else 0
            if left < 0:
                raise InvalidImageError("its files are larger than those of any honest image of this size")
            for i, path in enumerate(paths):
                link = "" if i == 0 or member.issym() else paths[0]
                content = tar.extractfile(member) if member.isreg() and not link else None
                output.addfile(_renamed(member, path, link), content)
                output.members.clear()  # type: ignore[attr-defined]

        _visit(layers, write, report, check=False)


def _visit(layers: Sequence[Layer], visit: Visit, report: Callable[[int], None], *, check: bool = True) -> None:
    """Call `visit` with each member of each layer: number of the layer, of the member, the member, the tarball."""
    done = 0
    # Of a layer that is named a thousand times, the size counts once.
    left = unpack_limit(sum({layer.diff_id: layer.source.size or 0 for layer in layers}.values()))
    for number, layer in enumerate(layers):
        limit = min(left, unpack_limit(layer.source.size))
        after = functools.partial(_after, report, done)
        try:
            with read_errors():
                left -= _visit_layer(layer, functools.partial(visit, number), after, check, limit)
        except InvalidImageError as error:
            raise type(error)(f"layer {number + 1} of {len(layers)}: {error.message}") from error
        done += layer.source.size or 0


def _visit_layer(
    layer: Layer,
    visit: Callable[[int, tarfile.TarInfo, tarfile.TarFile], None],
    report: Callable[[int], None],
    check: bool,
    limit: int,
) -> int:
    """Visit one layer; how many bytes it unpacks to."""
    with layer.source.open() as file:
        head = file.read(HEAD_SIZE)
    kind = file_kind(head) or ("tar" if is_tar(head) else "")
    if kind not in ARCHIVES:
        raise InvalidImageError(f"it is {kind or 'encrypted, or of an unknown kind'} and no tarball")
    with layer.source.open() as file:
        raw = _HashedReader(file, layer.digest if check else "", report)
        unpacked = open_decompressed(kind, raw, limit=limit)
        stream = _HashedReader(unpacked, layer.diff_id if check else "")
        index = 0
        with tarfile.open(fileobj=cast(BinaryIO, stream), mode="r|", tarinfo=StrictInfo) as tar:
            while (member := tar.next()) is not None:
                visit(index, member, tar)
                index += 1
                tar.members.clear()  # type: ignore[attr-defined]
        stream.finish()
        raw.finish()
        return stream.done


class _HashedReader:
    """A file whose content is compared with a digest, `sha256:…`, once all of it was read; not with an empty one.

    Attributes:
        done: bytes that were read.
    """

    def __init__(self, file: Any, digest: str, report: Callable[[int], None] = lambda _: None) -> None:
        kind, _, self._expected = digest.partition(":")
        self._sha = hashlib.new(kind) if digest else None
        self._file, self._report, self.done = file, report, 0

    def read(self, size: int) -> bytes:
        """The next bytes, some more or fewer."""
        block: bytes = self._file.read(size)
        if self._sha is not None:
            self._sha.update(block)
        self.done += len(block)
        self._report(self.done)
        return block

    def finish(self) -> None:
        """Read what is left and compare."""
        while self.read(BLOCK):
            pass
        if self._sha is not None and self._sha.hexdigest() != self._expected:
            raise InvalidImageError("it is damaged: its content has another checksum; fetch or save the image again")


def _after(report: Callable[[int], None], before: int, count: int) -> None:
    report(before + count)


def content_reader(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[int], bytes]:
    """A function that reads the beginning of a member."""

    def read(size: int) -> bytes:
        file = tar.extractfile(member)
        return file.read(size) if file is not None else b""

    return read


def _renamed(member: tarfile.TarInfo, path: str, link: str) -> tarfile.TarInfo:
    """A member under the name that it has in the end; its extended attributes go along."""
    renamed = tarfile.TarInfo(path)
    renamed.mode, renamed.uid, renamed.gid = member.mode & 0o7777, max(0, member.uid), max(0, member.gid)
    renamed.mtime = min(max(member.mtime, 0), _LATEST)
    if link:
        renamed.type, renamed.linkname = tarfile.LNKTYPE, link
        return renamed
    renamed.type = tarfile.REGTYPE if member.isreg() else member.type
    renamed.size = member.size if member.isreg() else 0
    renamed.linkname = member.linkname if member.issym() else ""
    renamed.devmajor, renamed.devminor = member.devmajor, member.devminor
    renamed.pax_headers = {k: v for k, v in member.pax_headers.items() if k.startswith("SCHILY.xattr.")}
    return renamed
