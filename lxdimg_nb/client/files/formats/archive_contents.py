"""What a tarball without metadata.yaml is, by the names in it, and how it becomes an image."""

from __future__ import annotations

import re
import tarfile

__all__ = ["MAKE_METADATA", "ArchiveNames"]

MAKE_METADATA = "give it together with metadata=lxdimg.image_metadata(FILE)"

MAX_NAMES = 20_000
_SYSTEM = frozenset(
    {"bin", "dev", "etc", "home", "lib", "opt", "proc", "root", "run", "sbin", "srv", "sys", "usr", "var"}
)
_OCI = frozenset({"oci-layout", "blobs/sha256", "blobs/sha512"})
# Archives of docker have their manifest at the end, after gigabytes of layers. The names are those of docker, podman
# and skopeo, and of jib, kaniko and crane.
_DOCKER = re.compile(r"(sha256:)?[0-9a-f]{64}(\.json|\.tar|\.tar\.gz|/VERSION|/json|/layer\.tar)?")


class ArchiveNames:
    """Collects the names of a tarball's members, as far as they tell what it is.

    Attributes:
        is_container_image: whether it is a container image, of `docker save` or an OCI layout; known from its first
            members.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()
        self.is_container_image = False

    def add(self, member: tarfile.TarInfo) -> None:
        """Take note of a member."""
        parts = [part for part in member.name.split("/", 3) if part not in ("", ".")][:2]
        if parts and len(self._names) < MAX_NAMES:
            name = "/".join(parts)
            self._names |= {parts[0], name}
            self.is_container_image = self.is_container_image or name in _OCI or bool(_DOCKER.fullmatch(name))

    @property
    def is_root(self) -> bool:
        """Whether it is a root file system."""
        return len(self._names & _SYSTEM) >= 2 or "etc/os-release" in self._names

    def describe(self) -> tuple[str, str]:
        """What it is and the next step; both empty when unknown."""
        names = self._names
        if self.is_container_image:
            return "a container image (docker save, or an OCI layout)", MAKE_METADATA
        if any(name.endswith(".ovf") for name in names):
            disk = next((n for n in sorted(names) if n.endswith((".vmdk", ".vhd", ".vhdx", ".qcow2", ".img"))), "DISK")
            disk = disk[:100]
            return f"an appliance (OVA) whose disk is {disk}", (
                f"take that out and convert it: tar -xf FILE {disk}; qemu-img convert -O qcow2 {disk} NEW.qcow2; "
                "then give NEW.qcow2 together with metadata=lxdimg.image_metadata('NEW.qcow2')"
            )
        if {"backup", "backup/index.yaml"} <= names:
            return "the backup of an instance or volume", "restore it: lxc import FILE, or incus import FILE"
        if "box.img" in names:
            return "a Vagrant box", (
                "take its disk out: tar -xf FILE box.img; "
                "then give box.img together with metadata=lxdimg.image_metadata('box.img')"
            )
        if self.is_root:
            return "the tarball of a root file system", MAKE_METADATA
        layout = next((name for name in sorted(names) if name.endswith("/oci-layout")), "").partition("/")[0][:100]
        if layout:
            return f"an OCI layout in the folder {layout}", (
                f"unpack it: tar -xf FILE; then give {layout} together with metadata=lxdimg.image_metadata('{layout}')"
            )
        folder = self._folder_with_root()
        if folder:
            return f"the tarball of a root file system in the folder {folder}", (
                f"unpack it, and pack what is in {folder} without that folder: tar -C {folder} -czf NEW.tar.gz .; "
                "then give NEW.tar.gz together with metadata=lxdimg.image_metadata('NEW.tar.gz')"
            )
        return "", ""

    def _folder_with_root(self) -> str:
        """The folder in which a root file system lies; empty when there is none."""
        tops = {name.partition("/")[0] for name in self._names}
        found = (top for top in sorted(tops) if len(_SYSTEM & self._below(top)) >= 2)
        return next(found, "")[:100]

    def _below(self, folder: str) -> set[str]:
        prefix = f"{folder}/"
        return {name[len(prefix) :] for name in self._names if name.startswith(prefix)}
