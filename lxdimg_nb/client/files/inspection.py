"""What an image file is and what a server would refuse about it, found out before it is sent."""

from __future__ import annotations

import contextlib
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from lxdimg_nb.client.files.formats.archive import (
    MAX_DECOMPRESSED,
    UncheckedError,
    find_damage,
    is_tar,
    open_tar,
    read_decompressed,
    unpack_limit,
)
from lxdimg_nb.client.files.formats.archive_contents import MAKE_METADATA, ArchiveNames
from lxdimg_nb.client.files.formats.disk_images import CONVERT, LONG_HEAD, check_qcow2, check_squashfs, describe_format
from lxdimg_nb.client.files.formats.file_kinds import ARCHIVES, file_kind
from lxdimg_nb.client.files.formats.metadata_yaml import MAX_SIZE, parse_metadata, read_metadata
from lxdimg_nb.client.files.inside.squashfs import open_squashfs
from lxdimg_nb.client.files.source import CountedFile, Source, read_exactly, tail_of
from lxdimg_nb.errors import InvalidImageError
from lxdimg_nb.values.architecture import is_new_architecture, kernel_architecture

__all__ = ["ImageInspection", "inspect_image", "inspect_root", "inspect_to_the_end"]

MAX_MEMBERS = 20_000
# Files named metadata.yaml that are read; names that are noted as odd.
MAX_AGAIN = 3
MAX_NOTES = 10
# What a server reads and writes itself in an instance; links could lead it anywhere on its disk.
OWN_PLACES = {
    **dict.fromkeys(("rootfs", "templates", "exec-output"), "folder"),
    **dict.fromkeys(("metadata.yaml", "backup.yaml", "rootfs.img"), "file"),
}


@dataclass(frozen=True, slots=True)
class ImageInspection:
    """What was found in a file.

    Attributes:
        kind: as of `file_kind`.
        metadata: the content of metadata.yaml; None when there is none.
        rootfs: `container`, `virtual-machine`, or empty.
        problems: what a server would refuse.
        notes: what is worth knowing but no reason to refuse.
        whole: whether the archive was read to its end.
        other: of a file that is no image, what it is and the next step; both empty when unknown.
        dates: texts in metadata.yaml that are dates without quotes, which newer Incus refuses.
    """

    kind: str
    metadata: dict[str, Any] | None = None
    rootfs: str = ""
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    whole: bool = True
    other: tuple[str, str] = ("", "")
    dates: tuple[str, ...] = ()

    @property
    def architecture(self) -> str:
        """As servers name it; empty when unknown."""
        return kernel_architecture(str((self.metadata or {}).get("architecture")))

    @property
    def properties(self) -> dict[str, str]:
        """The properties in metadata.yaml, as text."""
        stated = (self.metadata or {}).get("properties")
        return dict(stated) if isinstance(stated, dict) else {}

    @property
    def is_archive(self) -> bool:
        """Whether it is a tarball, compressed or not."""
        return self.kind in ARCHIVES


def inspect_image(source: Source, *, limit: int = MAX_DECOMPRESSED) -> ImageInspection:
    """Look at a rereadable file.

    Reads the first members of a tarball until metadata.yaml and the root were seen, at most `limit` decompressed
    bytes and 20,000 members.
    """
    with source.open() as file:
        head = read_exactly(file, LONG_HEAD)
        kind = file_kind(head)
        if not kind:
            return ImageInspection(kind, other=describe_format(head, tail_of(file)))
    if kind == "squashfs":
        return _inspect_squashfs(source)
    if kind not in ARCHIVES:
        return ImageInspection(kind)
    names = ArchiveNames()
    try:
        with source.open() as file, open_tar(kind, file, limit=limit) as tar:
            return _inspect_tar(kind, tar, names)
    except UncheckedError as error:
        note = f"metadata.yaml was not checked: {error.message}"
        return ImageInspection(kind, notes=(note,), whole=False, other=names.describe())
    except InvalidImageError as error:
        return ImageInspection(kind, problems=(error.message,))


def _inspect_squashfs(source: Source) -> ImageInspection:
    try:
        with source.open() as file, open_squashfs(file) as files:
            content = files.read("metadata.yaml", MAX_SIZE + 1)
            if content is None:
                other = ("the squashfs of a root file system", MAKE_METADATA) if files.is_folder("etc") else ("", "")
                return ImageInspection("squashfs", other=other)
            metadata, problems, dates = parse_metadata(content)
            rootfs = "container" if files.is_folder("rootfs") else ""
            rootfs = rootfs or ("virtual-machine" if files.read("rootfs.img", 1) is not None else "")
    except InvalidImageError as error:
        # Whether a server can read it is not known either.
        note = f"metadata.yaml was not checked: {error.message}; if there is none in it, {MAKE_METADATA}"
        return ImageInspection("squashfs", notes=(note,), whole=False)
    notes = tuple(_metadata_notes(metadata))
    return ImageInspection("squashfs", metadata, rootfs, tuple(problems), notes, dates=dates)


def inspect_root(source: Source, found: ImageInspection) -> ImageInspection:
    """What is wrong with the root file system of a split image, which servers take unseen.

    Args:
        found: what `inspect_image` found about it.
    """
    with source.open() as file:
        head = read_exactly(file, LONG_HEAD)
    problems, notes = _root_verdict(found.kind, head, source.size, found.other)
    if found.is_archive:
        with source.open() as file, contextlib.suppress(InvalidImageError):
            head = read_decompressed(found.kind, file, LONG_HEAD)
            what, advice = describe_format(head)
            if file_kind(head) == "qcow2":
                what, advice = "a qcow2 disk", "decompress it"
            if what or not is_tar(head):
                problems = [f"the root file system is {what or 'no tarball'} within {found.kind} compression"]
                problems[0] += f"; decompress it, then {advice}" if advice else ""
    return replace(found, problems=tuple(problems), notes=tuple(notes))


def inspect_to_the_end(
    source: Source, found: ImageInspection, what: str, report: Callable[[int], None]
) -> ImageInspection:
    """Read all of an archive, at whose end servers do not look before they make an instance of it.

    Args:
        found: what is known already; its problems and notes are kept.
        what: the file in words.
        report: called with the bytes read so far; may raise to stop.
    """
    problem = note = ""
    with source.open() as file:
        if found.kind == "squashfs":
            problem = check_squashfs(read_exactly(file, LONG_HEAD), source.size)
        elif found.is_archive and (found.metadata is not None or not found.problems):
            limit = unpack_limit(source.size)
            try:
                kinds = {} if found.metadata is None else OWN_PLACES
                problem = find_damage(found.kind, CountedFile(file, report), limit=limit, kinds=kinds)
            except UncheckedError as error:
                note = f"{what} was not checked to its end: {error.message}"
    problems = [f"{what} cannot be unpacked: {problem}; fetch or make it again"] if problem else []
    return replace(found, problems=(*found.problems, *problems), notes=(*found.notes, *([note] if note else [])))


def _root_verdict(kind: str, head: bytes, size: int | None, other: tuple[str, str]) -> tuple[list[str], list[str]]:
    if kind == "qcow2":
        return check_qcow2(head, size)
    if kind:
        return [], []
    what, advice = other
    what = what or "no tarball, squashfs or qcow2"
    return [f"the root file system is {what}, of which no server can make an instance; {advice or CONVERT}"], []


def _inspect_tar(kind: str, tar: tarfile.TarFile, names: ArchiveNames) -> ImageInspection:
    metadata: dict[str, Any] | None = None
    problems: list[str] = []
    notes: list[str] = []
    dates: tuple[str, ...] = ()
    rootfs, whole, again = "", True, 0
    for number, member in enumerate(tar):
        names.add(member)
        name = member.name.removeprefix("./").rstrip("/")
        if name == "metadata.yaml":
            again += 1
            if again > MAX_AGAIN:
                problems.append("metadata.yaml is in it again and again")
                whole = False
                break
            metadata, found, dates = read_metadata(tar, member)
            problems += found
        elif name == "rootfs.img":
            rootfs = "virtual-machine"
            disk = tar.extractfile(member) if member.isfile() else None
            if disk is not None:
                head = disk.read(LONG_HEAD)
                found, hints = _root_verdict(
                    "qcow2" if file_kind(head) == "qcow2" else "", head, member.size, describe_format(head)
                )
                problems += found
                notes += hints
        elif not rootfs and (name == "rootfs" or name.startswith("rootfs/")):
            rootfs = "container"
            if name == "rootfs" and member.issym():
                problems.append("rootfs is a symbolic link")
        if len(notes) < MAX_NOTES and (member.name.startswith("/") or ".." in member.name.split("/")):
            notes.append(f"a member is named {member.name[:80]!r}")
        if (metadata is not None and rootfs) or number >= MAX_MEMBERS:
            whole = False
            break
    if metadata is None and not whole:
        notes.append("metadata.yaml was not among the first files")
    notes += _metadata_notes(metadata or {})
    other = names.describe() if metadata is None else ("", "")
    return ImageInspection(kind, metadata, rootfs, tuple(problems), tuple(notes), whole, other, dates)


def _metadata_notes(metadata: dict[str, Any]) -> list[str]:
    notes = []
    architecture = str(metadata.get("architecture"))
    if is_new_architecture(architecture):
        notes.append(f"older servers do not know the architecture {architecture} (Incus 6.0, LXD 5.0) and refuse it")
    expiry = metadata.get("expiry_date")
    if isinstance(expiry, int) and 0 < expiry < time.time():
        notes.append("the image says that it has expired; servers take it all the same")
    return notes
