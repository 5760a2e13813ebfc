"""Files that are no images but hold a root file system: what lies in them.

Tarballs of root file systems, container images (`docker save`, OCI layouts), squashfs, disks, folders.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from lxdimg_nb.client.files.formats.archive import UncheckedError, open_tar, unpack_limit
from lxdimg_nb.client.files.formats.archive_contents import ArchiveNames
from lxdimg_nb.client.files.formats.disk_images import CONVERT, ISO, LONG_HEAD, describe_format
from lxdimg_nb.client.files.formats.file_kinds import ARCHIVES, file_kind
from lxdimg_nb.client.files.inside.disk import read_disk_facts
from lxdimg_nb.client.files.inside.folder_system import FolderSystem
from lxdimg_nb.client.files.inside.squashfs import open_squashfs
from lxdimg_nb.client.files.inside.system_facts import SystemFacts, read_system_facts
from lxdimg_nb.client.files.layers.archive_files import ImageParts, open_folder, open_tarball
from lxdimg_nb.client.files.layers.container_image import ContainerImage, choose_image
from lxdimg_nb.client.files.layers.file_tree import FileTree
from lxdimg_nb.client.files.layers.merge import content_reader, read_layers
from lxdimg_nb.client.files.progress import ProgressArgument, reporting
from lxdimg_nb.client.files.source import (
    CountedFile,
    Data,
    Source,
    position_kept,
    read_exactly,
    refuse_address,
    tail_of,
)
from lxdimg_nb.errors import InvalidImageError, InvalidRequestError
from lxdimg_nb.text import formats
from lxdimg_nb.values import Progress, parse_time
from lxdimg_nb.values.validation import expanded_path

__all__ = ["RootSource", "given_folder", "is_oci_folder", "is_root_folder", "read_root"]

Report = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class RootSource:
    """What is known of a file with a root file system.

    Attributes:
        what: the file in words.
        facts: what lies in it.
        architecture: as servers name it, and what tells; empty when only programs tell.
        created: seconds since 1970, and what tells; 0 when nothing does.
        machine: it is a virtual machine's disk.
        image: the container image that it is.
        details: what else is worth showing: name and value.
    """

    what: str
    facts: SystemFacts = field(default_factory=SystemFacts)
    architecture: tuple[str, str] = ("", "")
    created: tuple[int, str] = (0, "")
    machine: bool = False
    image: ContainerImage | None = None
    details: tuple[tuple[str, str], ...] = ()


def read_root(
    data: Data, *, image: str | None = None, architecture: str | None = None, progress: ProgressArgument = None
) -> RootSource:
    """Look for the facts in a root file system.

    Args:
        data: bytes, the path of a file or folder, or a binary file.
        image: the name of one container image, where there are several.
        architecture: of the container image, as servers name it, where there are several.
        progress: True for a bar, or a callable; raising in it stops the reading.

    Raises:
        InvalidImageError: it holds no root file system, cannot be read, or is an image already.
        InvalidRequestError: it can be read only once.
    """
    folder = given_folder(data)
    source = Source.of(data) if folder is None else None
    if source is not None and not source.rereadable:
        raise InvalidRequestError("this stream can be read only once; save it to a file first")
    with position_kept(data), reporting(progress) as reporter:
        total = source.size if source is not None else None

        def report(done: int) -> None:
            reporter(Progress("check", done, total))

        if source is not None:
            found = _read_file(source, image, architecture, report)
        elif is_oci_folder(folder := folder or Path()):
            found = _read_container(open_folder(folder), image, architecture, report)
        else:
            found = _read_folder(folder)
    if found.created[0] <= 0 and isinstance(data, str | os.PathLike):
        changed = int(expanded_path(data).stat().st_mtime)
        return replace(found, created=(changed, "when the file was changed"))
    return found


def given_folder(data: Data) -> Path | None:
    """The folder that a path names; None for a file, and for what is no path."""
    if not isinstance(data, str | os.PathLike):
        return None
    refuse_address(data)
    path = expanded_path(data)
    return path if os.path.isdir(path) else None


def is_oci_folder(folder: Path) -> bool:
    """Whether a folder is an OCI layout."""
    if os.path.isfile(folder / "oci-layout"):
        return True
    return os.path.isfile(folder / "index.json") and os.path.isdir(folder / "blobs")


def is_root_folder(folder: Path) -> bool:
    """Whether a folder is a root file system without metadata."""
    if os.path.isfile(folder / "metadata.yaml"):
        return False
    return any(os.path.isdir(folder / name) for name in ("etc", "usr", "bin"))


def _read_folder(folder: Path) -> RootSource:
    if os.path.isfile(folder / "metadata.yaml"):
        raise InvalidImageError(f"{folder} is the folder of an image and has a metadata.yaml: import it as it is")
    if not is_root_folder(folder):
        raise InvalidImageError(f"{folder} is no root file system: it has none of etc, usr and bin")
    return RootSource("the folder of a root file system", read_system_facts(FolderSystem(folder)))


def _read_file(source: Source, image: str | None, architecture: str | None, report: Report) -> RootSource:
    with source.open() as file:
        head = read_exactly(file, LONG_HEAD)
        kind = file_kind(head)
        what, advice = ("", "") if kind else describe_format(head, tail_of(file))
    if kind in ARCHIVES:
        return _read_tarball(kind, source, image, architecture, report)
    if kind == "squashfs":
        return _read_squashfs(source, architecture)
    if kind == "qcow2" or what.startswith("a raw disk") or advice == ISO:
        return _read_disk(kind, what or "a qcow2 disk", source)
    raise InvalidImageError(
        f"the file is {what or 'no tarball, squashfs or disk that is known here'}; {advice or CONVERT}"
    )


def _read_disk(kind: str, what: str, source: Source) -> RootSource:
    with source.open() as file:
        found = read_disk_facts(kind, file, source.size)
    details = [("size", formats.size(found.size))] if found.size else []
    details += [("not looked inside", found.unread)] if found.unread else []
    return RootSource(what, found.system, found.architecture, machine=True, details=tuple(details))


def _read_squashfs(source: Source, architecture: str | None) -> RootSource:
    what = "a squashfs of a root file system"
    try:
        with source.open() as file, open_squashfs(file) as files:
            if files.read("metadata.yaml", 0) is not None:
                raise InvalidImageError("the squashfs has a metadata.yaml: it is an image already")
            return RootSource(what, read_system_facts(files), created=(files.newest, "when the squashfs was made"))
    except UncheckedError as error:
        if architecture is None:
            raise
        return RootSource(what, details=(("not looked inside", error.message),))


def _read_tarball(kind: str, source: Source, image: str | None, architecture: str | None, report: Report) -> RootSource:
    tree, names = FileTree(whiteouts=False), ArchiveNames()
    limit = unpack_limit(source.size)
    with source.open() as file, open_tar(kind, CountedFile(file, report), limit=limit) as tar:
        number = 0
        while (member := tar.next()) is not None and not names.is_container_image:
            names.add(member)
            tree.add(0, number, member, content_reader(tar, member))
            number += 1
            tar.members.clear()  # type: ignore[attr-defined]
    if names.is_container_image:
        with open_tarball(kind, source, limit=limit) as parts:
            return _read_container(parts, image, architecture, report)
    if tree.find("metadata.yaml") is not None:
        raise InvalidImageError("the file has a metadata.yaml: it is an image, or the metadata of one, already")
    what, advice = names.describe()
    if what and not names.is_root:
        raise InvalidImageError(f"the file is {what}; {advice}")
    facts = read_system_facts(tree, tree.programs())
    return RootSource(what or "a tarball", facts, created=(tree.newest, "the newest file in it"))


def _read_container(parts: ImageParts, name: str | None, architecture: str | None, report: Report) -> RootSource:
    image = choose_image(parts, name=name, architecture=architecture)
    tree = read_layers(image.layers, report)
    facts = read_system_facts(tree, tree.programs())
    told = (image.architecture, "the container image's configuration") if image.architecture else ("", "")
    moment = parse_time(image.config.get("created"))
    created = (
        (int(moment.timestamp()), "the container image's configuration")
        if moment
        else (tree.newest, "the newest file in it")
    )
    details = [("names", ", ".join(image.names))] if image.names else []
    return RootSource(
        "a container image", facts, told, created, image=image, details=(*details, ("layers", str(len(image.layers))))
    )
