"""What a root file system tells about itself: its system, its architecture, and what servers write into it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lxdimg_nb.client.files.inside.elf import ELF_HEADER, elf_architecture
from lxdimg_nb.client.files.inside.file_system import FileSystem, read_file
from lxdimg_nb.client.files.inside.os_release import MAX_SIZE, parse_os_release

__all__ = ["SystemFacts", "read_system_facts"]

_OS_RELEASES = ("etc/os-release", "usr/lib/os-release")
_PROGRAMS = ("bin/sh", "usr/bin/sh", "bin/busybox", "usr/bin/env", "usr/lib/systemd/systemd", "lib/systemd/systemd")
_INITS = ("sbin/init", "etc/init", "bin/init")


@dataclass(frozen=True, slots=True)
class SystemFacts:
    """What was read of a root file system; empty where nothing was found.

    Attributes:
        os_release: the assignments of /etc/os-release.
        os_release_path: the file that they are from.
        architecture: as servers name it.
        program: the program that it was read of.
        hostname: whether there is an /etc/hostname.
        hosts: the content of /etc/hosts; None when there is none.
        init: whether there is a program that starts the system.
    """

    os_release: Mapping[str, str] = field(default_factory=dict)
    os_release_path: str = ""
    architecture: str = ""
    program: str = ""
    hostname: bool = False
    hosts: bytes | None = None
    init: bool = False


def read_system_facts(files: FileSystem, programs: Iterable[str] = ()) -> SystemFacts:
    """Look where root file systems have these facts.

    Args:
        files: the root file system.
        programs: where else to look for a program.
    """
    release = next((found for path in _OS_RELEASES if (found := read_file(files, path, MAX_SIZE))), ("", b""))
    architecture = program = ""
    for path in (*_PROGRAMS, *programs):
        found = read_file(files, path, ELF_HEADER)
        architecture = elf_architecture(found[1]) if found else ""
        if found and architecture:
            program = found[0] if found[0] == path else f"{path} → {found[0]}"
            break
    hosts = read_file(files, "etc/hosts", MAX_SIZE)
    return SystemFacts(
        parse_os_release(release[1]),
        release[0],
        architecture,
        program,
        read_file(files, "etc/hostname", 1) is not None,
        hosts[1] if hosts else None,
        any(read_file(files, path, 1) is not None for path in _INITS),
    )
