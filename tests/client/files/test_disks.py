"""Disks of virtual machines tell their architecture by their boot loader or their partitions, raw or in a qcow2."""

from __future__ import annotations

import io
import stat
import sys
import types
from pathlib import Path
from typing import ClassVar

import pytest

import lxdimg_nb
from lxdimg_nb.errors import InvalidImageError
from tests.kit import disks
from tests.kit.servers import RunningServer

EFI = disks.fat(["BOOTAA64.EFI", "GRUB.CFG"])
DISKS = {
    "FAT12": (disks.gpt((disks.DATA, b"x"), (disks.ESP, EFI)), "aarch64", "the boot loader EFI/BOOT/BOOTAA64.EFI"),
    "FAT32": (disks.gpt((disks.ESP, disks.fat(["BOOTX64.EFI"], wide=True))), "x86_64", "EFI/BOOT/BOOTX64.EFI"),
    "long names": (disks.gpt((disks.ESP, disks.fat(["BOOTRISCV64.EFI"]))), "riscv64", "EFI/BOOT/BOOTRISCV64.EFI"),
    "a root partition": (disks.gpt((disks.ROOT_ARM64, b"x" * 900)), "aarch64", "the type of a partition"),
    "ISO": (disks.iso(["BOOTX64.EFI"]), "x86_64", "EFI/BOOT/BOOTX64.EFI"),
}


@pytest.mark.parametrize("form", ["raw", "qcow2", "compressed qcow2", "qcow2 of small clusters"])
@pytest.mark.parametrize("name", DISKS)
def test_a_disk_tells_its_architecture(name: str, form: str) -> None:
    disk, architecture, source = DISKS[name]
    data = {
        "raw": disk,
        "qcow2": disks.qcow2(disk),
        "compressed qcow2": disks.qcow2(disk, compressed=True),
        "qcow2 of small clusters": disks.qcow2(disk, bits=9),
    }[form]

    made = lxdimg_nb.image_metadata(data, os="Debian")

    facts = {fact.name: fact for fact in made.facts}
    assert (made.architecture, facts["type"].value) == (architecture, "virtual machine")
    assert source in facts["architecture"].source
    assert "templates" not in made.document
    assert made.properties["description"].startswith("Debian")


def test_a_cloud_disk_becomes_an_image(demo: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "cloud.img"
    path.write_bytes(disks.qcow2(DISKS["FAT12"][0], compressed=True))

    with lxdimg_nb.connect(demo.url) as client:
        image = client.images.create(path, metadata=lxdimg_nb.image_metadata(path, os="Debian"), wait=True)

    assert (image.type, image.architecture, image.properties["os"]) == ("virtual-machine", "aarch64", "Debian")


@pytest.mark.parametrize(
    "data",
    [
        disks.qcow2(disks.gpt((disks.ESP, EFI)))[:200_000],
        disks.qcow2(bytes(1 << 20)),
        disks.gpt((disks.ESP, b"\xeb" * 4096)),
        disks.gpt((disks.ESP, EFI[:1024])),
    ],
)
def test_a_disk_that_tells_nothing_needs_an_architecture(data: bytes) -> None:
    with pytest.raises(InvalidImageError, match="name it: architecture="):
        lxdimg_nb.image_metadata(data)

    assert lxdimg_nb.image_metadata(data, architecture="arm64").architecture == "aarch64"


EXT4 = disks.qcow2(disks.gpt((disks.ESP, EFI), (disks.DATA, bytes(1080) + b"\x53\xef" + bytes(3000))))


def test_a_file_system_that_nothing_here_reads_is_said_to_be_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dissect.extfs", None)

    facts = {fact.name: fact.value for fact in lxdimg_nb.image_metadata(EXT4).facts}

    assert "where the package dissect.extfs (AGPL) is installed" in facts["not looked inside"]
    assert "os" not in facts


@pytest.mark.parametrize("damaged", [False, True])
def test_a_package_that_the_user_has_installed_reads_it(monkeypatch: pytest.MonkeyPatch, damaged: bool) -> None:
    module = types.ModuleType("dissect.extfs")
    module.ExtFS = _Damaged if damaged else _ExtFS  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dissect", types.ModuleType("dissect"))
    monkeypatch.setitem(sys.modules, "dissect.extfs", module)

    made = lxdimg_nb.image_metadata(EXT4)

    assert made.properties.get("os") == (None if damaged else "debian")


class _Node:
    """As dissect.extfs' INode, of a file or a link."""

    def __init__(self, content: bytes, link: str = "") -> None:
        self.filetype = stat.S_IFLNK if link else stat.S_IFREG
        self.link = link
        self._content = content

    def open(self) -> io.BytesIO:
        return io.BytesIO(self._content)


class _ExtFS:
    """As dissect.extfs' ExtFS, of a file system with an os-release."""

    _nodes: ClassVar = {
        "/etc/os-release": _Node(b"", "../usr/lib/os-release"),
        "/usr/lib/os-release": _Node(b"ID=debian\n"),
    }

    def __init__(self, file: io.BufferedIOBase) -> None:
        assert file.read(1082)[1080:] == b"\x53\xef"

    def get(self, path: str) -> _Node:
        if path not in self._nodes:
            raise FileNotFoundError(path)
        return self._nodes[path]


class _Damaged(_ExtFS):
    """One that cannot be read."""

    def __init__(self, file: io.BufferedIOBase) -> None:
        super().__init__(file)
        raise ArithmeticError("damaged")
