"""What servers take of a container image or a folder: its root file system as one tarball, made for an import."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from lxdimg_nb.client.files.folder_archive import pack_root
from lxdimg_nb.client.files.formats.archive import open_tar, unpack_limit
from lxdimg_nb.client.files.formats.archive_contents import MAKE_METADATA, ArchiveNames
from lxdimg_nb.client.files.formats.file_kinds import ARCHIVES, HEAD_SIZE, file_kind
from lxdimg_nb.client.files.inspection import inspect_image
from lxdimg_nb.client.files.layers.archive_files import ImageParts, open_folder, open_tarball
from lxdimg_nb.client.files.layers.container_image import choose_image
from lxdimg_nb.client.files.layers.merge import read_layers, write_layers
from lxdimg_nb.client.files.progress import ProgressArgument, reporting
from lxdimg_nb.client.files.root_source import given_folder, is_oci_folder, is_root_folder
from lxdimg_nb.client.files.source import Data, Source, position_kept
from lxdimg_nb.client.files.temporary_folder import temporary_folder
from lxdimg_nb.errors import InvalidImageError, InvalidRequestError
from lxdimg_nb.values import Progress

__all__ = ["root_tarball"]

# Decompressed bytes, and members, after which a tarball has shown what it is.
QUICK_LOOK = 32 * 1024 * 1024
FEW = 1000

_SUFFIX = re.compile(r"(\.tar|\.oci|\.docker)?(\.[A-Za-z0-9]{1,4})?$")


@contextmanager
def root_tarball(
    data: Data, metadata: Data | None, *, progress: ProgressArgument = None
) -> Iterator[tuple[Data, Data | None]]:
    """What can be sent of a root file system, and its metadata; a tarball that is made exists until the block ends.

    Args:
        data: a container image, a folder, or what servers take as it is and what is given back as it is.
        metadata: what goes with it; the two are told apart by content. Their architecture chooses the container
            image's platform. None: it is no split image.
        progress: True for a bar, or a callable; raising in it stops the work.

    Raises:
        InvalidImageError: a folder, without metadata; or what cannot be merged.
    """
    if metadata is None:
        if (folder := given_folder(data)) is not None:
            raise InvalidImageError(_describe_folder(folder))
        yield data, metadata
        return
    folder, kind = _made_of(data)
    if folder is None and kind is None:
        folder, kind = _made_of(metadata)
        if folder is None and kind is None:
            yield data, metadata
            return
        data, metadata = metadata, data
    if folder is None:
        source = Source.of(data)
        with (
            open_tarball(str(kind), source, limit=unpack_limit(source.size)) as parts,
            _merged(parts, source.name, metadata, progress) as path,
        ):
            yield path, metadata
    elif is_oci_folder(folder):
        with _merged(open_folder(folder), folder.resolve().name, metadata, progress) as path:
            yield path, metadata
    else:
        if not is_root_folder(folder):
            # A wrong name, as '.' or '~', would send whatever lies there.
            raise InvalidImageError(f"{folder} is no root file system: it has none of etc, usr and bin")
        with pack_root(folder, progress=progress) as path:
            yield path, metadata


def _made_of(data: Data) -> tuple[Path | None, str | None]:
    """The folder, or how a container image's tarball is compressed; neither for what is sent as it is."""
    folder = given_folder(data)
    return folder, _container_kind(data) if folder is None else None


def _describe_folder(folder: Path) -> str:
    if os.path.isfile(folder / "metadata.yaml"):
        return f"{folder} is a folder; %lxdimg import packs it, or pack it: tar -C {folder} -czf FILE ."
    if is_oci_folder(folder):
        return f"{folder} is a container image (OCI layout); {MAKE_METADATA}"
    if is_root_folder(folder):
        return f"{folder} is the folder of a root file system; {MAKE_METADATA}"
    return f"{folder} is a folder; give the file of an image"


def _container_kind(data: Data) -> str | None:
    """How a container image's tarball is compressed; None for what is no container image."""
    source = Source.of(data)
    if not source.rereadable:
        return None
    names = ArchiveNames()
    with position_kept(data):
        with source.open() as file:
            kind = file_kind(file.read(HEAD_SIZE))
        with suppress(InvalidImageError), source.open() as file:
            if kind in ARCHIVES:
                with open_tar(kind, file, limit=QUICK_LOOK) as tar:
                    for number, member in enumerate(tar):
                        names.add(member)
                        if names.is_container_image or number >= FEW:
                            break
    return kind if names.is_container_image else None


@contextmanager
def _merged(parts: ImageParts, name: str, metadata: Data, progress: ProgressArgument) -> Iterator[Path]:
    choice = getattr(metadata, "image", None)
    image = choose_image(parts, name=choice, architecture=inspect_image(Source.of(metadata)).architecture or None)
    total = 2 * sum(layer.source.size or 0 for layer in image.layers)
    with temporary_folder("merge") as temporary:
        path = temporary / f"{_SUFFIX.sub('', name) or 'image'}.tar.gz"
        with reporting(progress, name) as report, path.open("wb") as file:
            write_layers(
                read_layers(image.layers, lambda done: report(Progress("pack", done, total))),
                image.layers,
                cast(BinaryIO, _Spool(file, temporary)),
                lambda done: report(Progress("pack", total // 2 + done, total)),
            )
        yield path


class _Spool:
    """A temporary file; when its disk is full, that is no fault of what is read."""

    def __init__(self, file: BinaryIO, folder: Path) -> None:
        self._file, self._folder = file, folder

    def write(self, data: bytes) -> int:
        """Write all of it."""
        try:
            return self._file.write(data)
        except OSError as error:
            raise InvalidRequestError(
                f"the merged root file system cannot be written to {self._folder}: {error.strerror}; "
                "set TMPDIR to a folder with room"
            ) from error

    def flush(self) -> None:
        """Hand everything to the system."""
        self._file.flush()
