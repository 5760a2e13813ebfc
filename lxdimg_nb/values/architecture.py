"""Names of processor architectures: the kernel's, which servers use, and those of distributions."""

from __future__ import annotations

__all__ = ["distribution_architecture", "is_new_architecture", "kernel_architecture"]

# Source: shared/osarch of LXD and of Incus, the newer one where they differ.
_ALIASES = {
    "i686": ("i386", "i586", "386", "x86", "generic_32"),
    "x86_64": ("amd64", "amd64v3", "generic_64"),
    "armv6l": ("armel", "arm", "armv6hl"),
    "armv7l": ("armhf", "armhfp", "armv7", "armv7a_hardfp", "armv7a_vfpv3_hardfp", "armv7hl"),
    "armv8l": (),
    "aarch64": ("arm64", "arm64_generic"),
    "ppc": ("powerpc",),
    "ppc64": ("powerpc64",),
    "ppc64le": ("ppc64el", "powerpc64le"),
    "s390x": ("mainframe",),
    "mips": ("mipsel", "mipsle"),
    "mips64": ("mips64el", "mips64le"),
    "riscv32": (),
    "riscv64": (),
    "loongarch64": ("loong64",),
}
# Not known to LXD 5.0.2, and but for the first two neither to Incus 6.0.4.
_NEW_NAMES = frozenset({"loongarch64", "loong64", "amd64v3", "armv6hl", "armv7hl", "powerpc64le", "mainframe"})
# As Debian and the catalogues of images name them, where the kernel's name is another.
_DISTRIBUTIONS = {
    "x86_64": "amd64",
    "i686": "i386",
    "aarch64": "arm64",
    "armv7l": "armhf",
    "armv6l": "armel",
    "ppc": "powerpc",
    "ppc64le": "ppc64el",
    "loongarch64": "loong64",
}
_KERNEL_NAMES = {name: kernel for kernel, names in _ALIASES.items() for name in (kernel, *names)}


def kernel_architecture(name: str) -> str:
    """The kernel's name of an architecture, `x86_64` for `amd64`; empty for one that servers do not know."""
    return _KERNEL_NAMES.get(name, "")


def is_new_architecture(name: str) -> bool:
    """Whether it is a name that older servers do not know."""
    return name in _NEW_NAMES


def distribution_architecture(kernel: str) -> str:
    """The name that distributions give to an architecture of the kernel's: `amd64` for `x86_64`."""
    return _DISTRIBUTIONS.get(kernel, kernel)
