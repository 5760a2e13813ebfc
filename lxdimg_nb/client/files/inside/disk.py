"""What a virtual machine's disk tells about itself: its size, its architecture, and the system on it.

Linux file systems are read by packages of the `dissect` family, if the user has installed them. Their licence (AGPL)
forbids that this package depends on them.
"""

from __future__ import annotations

import importlib
import io
import lzma
import stat
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

from lxdimg_nb.client.files.inside.efi_loaders import boot_files
from lxdimg_nb.client.files.inside.elf import EFI_LOADERS
from lxdimg_nb.client.files.inside.partitions import ROOT_TYPES, Partition, read_partitions
from lxdimg_nb.client.files.inside.qcow2 import Qcow2File
from lxdimg_nb.client.files.inside.seekable_file import SeekableFile
from lxdimg_nb.client.files.inside.system_facts import SystemFacts, read_system_facts

__all__ = ["DiskFacts", "read_disk_facts"]

BLOCK = 64 * 1024
_ERRORS = (
    *(OSError, EOFError, ValueError, LookupError, RuntimeError, ArithmeticError),
    *(struct.error, zlib.error, lzma.LZMAError),
)
# Where a file system begins so: the module that reads it, and its class.
_FILE_SYSTEMS = (
    (1080, b"\x53\xef", "dissect.extfs", "ExtFS"),
    (0, b"XFSB", "dissect.xfs", "XFS"),
    (65600, b"_BHRfS_M", "dissect.btrfs", "Btrfs"),
)
# Subvolumes of Btrfs that distributions put their root into.
_SUBVOLUMES = ("", "root/", "@/", "@rootfs/")


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """What was read of a disk; empty where nothing was found.

    Attributes:
        size: bytes of the virtual disk.
        architecture: as servers name it, and what tells.
        system: what lies in its root file system.
        unread: why that was not looked into.
    """

    size: int = 0
    architecture: tuple[str, str] = ("", "")
    system: SystemFacts = field(default_factory=SystemFacts)
    unread: str = ""


def read_disk_facts(kind: str, file: io.BufferedIOBase, size: int | None) -> DiskFacts:
    """Look into a disk; what is damaged tells nothing.

    Args:
        kind: `qcow2`, or empty for a raw disk.
        file: read at random.
        size: bytes of the file.
    """
    try:
        if kind == "qcow2":
            raw = Qcow2File(file)
            disk: io.BufferedIOBase = io.BufferedReader(raw, BLOCK)
            size = raw.size
        else:
            disk = file
        partitions = read_partitions(disk)
        architecture = _architecture(disk, partitions)
        system, unread = _system(disk, partitions, size or 0)
    except _ERRORS as error:
        return DiskFacts(unread=f"the disk cannot be read here: {str(error)[:200]}")
    return DiskFacts(size or 0, architecture, system, unread)


def _architecture(disk: io.BufferedIOBase, partitions: list[Partition]) -> tuple[str, str]:
    places = [Partition("", 0, 0, True), *(one for one in partitions if one.efi)]
    for place in places:
        part = _part(disk, place) if place.size else disk
        for name in boot_files(part):
            if name in EFI_LOADERS:
                return EFI_LOADERS[name], f"the boot loader EFI/BOOT/{name}"
    for one in partitions:
        if one.type in ROOT_TYPES:
            return ROOT_TYPES[one.type], f"the type of a partition, {one.type}"
    return "", ""


def _system(disk: io.BufferedIOBase, partitions: list[Partition], size: int) -> tuple[SystemFacts, str]:
    """The system in the first partition that holds one, and why none was looked into."""
    unread = ""
    for place in [*partitions, Partition("", 0, size, False)][:16]:
        part = _part(disk, place)
        head = part.read(68 * 1024)
        known = next((entry[2:] for entry in _FILE_SYSTEMS if head.startswith(entry[1], entry[0])), None)
        if known is None:
            continue
        module, name = known
        try:
            reader = getattr(importlib.import_module(module), name)
        except ImportError:
            unread = unread or f"its file system is read where the package {module} (AGPL) is installed"
            continue
        for prefix in _SUBVOLUMES if name == "Btrfs" else ("",):
            facts = _facts(reader, part, prefix)
            if facts is not None:
                return facts, ""
    return SystemFacts(), unread


def _facts(reader: Any, part: io.BufferedIOBase, prefix: str) -> SystemFacts | None:
    try:
        part.seek(0)
        facts = read_system_facts(_LinuxFiles(reader(part), prefix))
    except Exception:  # noqa: BLE001 - of another package, over a damaged disk
        return None
    return facts if facts.os_release or facts.architecture else None


class _LinuxFiles:
    """A file system as the packages of the dissect family read it, as a `FileSystem`."""

    def __init__(self, files: Any, prefix: str) -> None:
        self._files, self._prefix = files, prefix

    def readlink(self, path: str) -> str | None:
        """Where a symbolic link points; None for what is none."""
        node = self._node(path)
        return str(node.link) if node is not None and stat.S_ISLNK(_mode(node)) else None

    def read(self, path: str, size: int) -> bytes | None:
        """The first bytes of a regular file; None for what is none."""
        node = self._node(path)
        return bytes(node.open().read(size)) if node is not None and stat.S_ISREG(_mode(node)) else None

    def _node(self, path: str) -> Any:
        try:
            return self._files.get(f"/{self._prefix}{path}")
        except Exception:  # noqa: BLE001 - each package has errors of its own for what is not there
            return None


def _mode(node: Any) -> int:
    return int(node.filetype if hasattr(node, "filetype") else stat.S_IFMT(node.mode))


def _part(disk: io.BufferedIOBase, place: Partition) -> io.BufferedIOBase:
    return io.BufferedReader(_Part(disk, place.offset, place.size), BLOCK)


class _Part(SeekableFile):
    """A part of a disk as a file of its own."""

    def __init__(self, disk: io.BufferedIOBase, offset: int, size: int) -> None:
        super().__init__(size)
        self._disk, self._offset = disk, offset

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        self._disk.seek(self._offset + self._position)
        found = self._disk.read(max(0, min(len(view), self.size - self._position)))
        view[: len(found)] = found
        self._position += len(found)
        return len(found)
