"""The architecture of a program, of its ELF header or its EFI name."""

from __future__ import annotations

import struct

__all__ = ["EFI_LOADERS", "ELF_HEADER", "elf_architecture"]

# Bytes of the header that are needed.
ELF_HEADER = 52

_HARD_FLOAT = 0x400
# e_machine, 64 bits, little-endian → architecture. Source: elf.h.
_MACHINES = {
    (3, False, True): "i686",
    (8, False, False): "mips",
    (8, False, True): "mips",
    (8, True, False): "mips64",
    (8, True, True): "mips64",
    (20, False, False): "ppc",
    (21, True, False): "ppc64",
    (21, True, True): "ppc64le",
    (22, True, False): "s390x",
    (62, False, True): "x86_64",
    (62, True, True): "x86_64",
    (183, True, True): "aarch64",
    (243, False, True): "riscv32",
    (243, True, True): "riscv64",
    (258, True, True): "loongarch64",
}
# Source: UEFI specification, 3.5.1.1 Removable Media Boot Behavior.
EFI_LOADERS = {
    "BOOTX64.EFI": "x86_64",
    "BOOTAA64.EFI": "aarch64",
    "BOOTIA32.EFI": "i686",
    "BOOTARM.EFI": "armv7l",
    "BOOTRISCV64.EFI": "riscv64",
    "BOOTLOONGARCH64.EFI": "loongarch64",
}


def elf_architecture(head: bytes) -> str:
    """The kernel's name of a program's architecture; empty for what is no program, or for none that is known."""
    if len(head) < ELF_HEADER or head[:4] != b"\x7fELF" or head[4] not in (1, 2) or head[5] not in (1, 2):
        return ""
    wide, little = head[4] == 2, head[5] == 1
    (machine,) = struct.unpack_from("<H" if little else ">H", head, 18)
    if machine == 40 and not wide:
        (flags,) = struct.unpack_from("<I" if little else ">I", head, 36)
        return "armv7l" if flags & _HARD_FLOAT else "armv6l"
    return _MACHINES.get((machine, wide, little), "")
