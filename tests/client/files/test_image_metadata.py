"""`lxdimg.image_metadata` fills the metadata of a root file system from the file, and says where each value is from."""

from __future__ import annotations

import bz2
import copy
import gzip
import io
import lzma
import os
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

import lxdimg_nb
from lxdimg_nb.errors import InvalidImageError, InvalidRequestError
from tests.kit import container_images as oci
from tests.kit import factory
from tests.kit.container_images import Image, layer, member


def read(data: bytes) -> tuple[dict[str, object], dict[str, str]]:
    """The metadata.yaml of a tarball, and the content of the other files."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        files = {info.name: tar.extractfile(info) for info in tar}
        texts = {name: file.read().decode() for name, file in files.items() if file is not None}
    return yaml.safe_load(texts.pop("metadata.yaml")), texts


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: factory.compress(data, "zst"),
}


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_bare_root_file_system(compression: str) -> None:
    made = lxdimg_nb.image_metadata(COMPRESSIONS[compression](oci.system()))

    found, files = read(made)
    assert found == {
        "architecture": "x86_64",
        "creation_date": oci.CREATED_SECONDS,
        "properties": {
            "os": "debian",
            "release": "bookworm",
            "architecture": "amd64",
            "variant": "default",
            "serial": "20231114_22:13",
            "description": "Debian GNU/Linux 12 (bookworm) amd64 (20231114_22:13)",
            "name": "debian-bookworm-amd64-default-20231114_22:13",
        },
        "templates": {
            f"/etc/{name}": {
                "when": ["create", "copy"],
                "create_only": False,
                "template": f"{name}.tpl",
                "properties": {},
            }
            for name in ("hostname", "hosts")
        },
    }
    assert files == {
        "templates/hostname.tpl": "{{ container.name }}\n",
        "templates/hosts.tpl": "127.0.1.1\t{{ container.name }}\n127.0.0.1\tlocalhost\n",
    }


def test_each_value_says_where_it_is_from() -> None:
    made = lxdimg_nb.image_metadata(oci.system(), release="trixie", properties={"team": "web"})

    found = {fact.name: (fact.value, fact.source) for fact in made.facts}
    assert found["architecture"] == ("x86_64", "the program bin/sh → usr/bin/dash")
    assert found["os"] == ("debian", "/usr/lib/os-release: ID")
    assert found["release"] == ("trixie", "given")
    assert found["team"] == ("web", "given")
    assert found["creation_date"] == ("2023-11-14 22:13 UTC", "the newest file in it")
    assert found["description"][0].startswith("debian trixie amd64")
    for line in ("architecture   x86_64", "/usr/lib/os-release: ID"):
        assert line in repr(made)
    assert "<td" in made._repr_html_() and "/usr/lib/os-release: ID" in made._repr_html_()


def test_every_value_can_be_given() -> None:
    made = lxdimg_nb.image_metadata(
        oci.system(),
        os="Mine",
        release="1",
        architecture="arm64",
        description="words",
        name="mine",
        variant="cloud",
        serial="7",
        creation_date=datetime(2020, 1, 2, tzinfo=UTC),
        properties={"serial": "8", "extra": "yes"},
        templates={"/etc/motd": "Hello {{ instance.name }}\n"},
    )

    found, files = read(made)
    assert (found["architecture"], found["creation_date"]) == ("aarch64", 1577923200)
    assert found["properties"] == {
        "os": "Mine",
        "release": "1",
        "architecture": "arm64",
        "variant": "cloud",
        "serial": "8",
        "description": "words",
        "name": "mine",
        "extra": "yes",
    }
    assert files == {"templates/motd.tpl": "Hello {{ instance.name }}\n"}
    assert (made.architecture, made.properties["os"]) == ("aarch64", "Mine")
    assert "templates" not in read(lxdimg_nb.image_metadata(oci.system(), templates=False))[0]


def test_the_same_file_makes_the_same_metadata(tmp_path: Path) -> None:
    path = tmp_path / "root.tar"
    path.write_bytes(oci.system())

    made = lxdimg_nb.image_metadata(path)

    assert made == lxdimg_nb.image_metadata(str(path)) == lxdimg_nb.image_metadata(path.read_bytes())
    with path.open("rb") as file:
        assert made == lxdimg_nb.image_metadata(file)
    assert copy.deepcopy(made).facts == made.facts


@pytest.mark.parametrize(
    ("program", "architecture"),
    [
        (oci.elf(62), "x86_64"),
        (oci.elf(3, bits=32), "i686"),
        (oci.elf(183), "aarch64"),
        (oci.elf(40, bits=32, flags=0x5000400), "armv7l"),
        (oci.elf(40, bits=32, flags=0x5000200), "armv6l"),
        (oci.elf(21), "ppc64le"),
        (oci.elf(21, little=False), "ppc64"),
        (oci.elf(22, little=False), "s390x"),
        (oci.elf(243), "riscv64"),
        (oci.elf(258), "loongarch64"),
        (oci.elf(8, bits=32, little=False), "mips"),
    ],
)
def test_the_architecture_is_that_of_the_shell(program: bytes, architecture: str) -> None:
    root = layer(member("etc/"), member("bin/"), member("bin/sh", program, mode=0o755))

    assert lxdimg_nb.image_metadata(root).architecture == architecture


def test_links_are_followed_inside_the_file_only() -> None:
    root = layer(
        member("etc/os-release", link="/../../../../run/real"),
        member("run/real", link="../opt/os-release"),
        member("opt/os-release", b"ID=alpine\nVERSION_ID=3.20.3\n"),
        member("bin/sh", link="/bin/busybox"),
        member("bin/busybox", oci.elf(183), mode=0o755),
    )

    made = lxdimg_nb.image_metadata(root)

    assert (made.architecture, made.properties["os"], made.properties["release"]) == ("aarch64", "alpine", "3.20.3")


def test_without_a_shell_any_program_tells() -> None:
    root = layer(member("app/server", oci.elf(243), mode=0o755))

    assert lxdimg_nb.image_metadata(root).architecture == "riscv64"


@pytest.mark.parametrize("data", [layer(member("etc/"), member("usr/")), factory.qcow2()])
def test_an_architecture_that_nothing_tells_must_be_given(data: bytes) -> None:
    with pytest.raises(InvalidImageError, match="name it: architecture='x86_64'"):
        lxdimg_nb.image_metadata(data)

    assert lxdimg_nb.image_metadata(data, architecture="amd64").architecture == "x86_64"


def test_a_folder(tmp_path: Path) -> None:
    for name in ("etc", "usr/bin"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "bin").symlink_to("/usr/bin")
    (tmp_path / "usr/bin/sh").write_bytes(oci.elf(183))
    (tmp_path / "etc/os-release").write_text("ID=void\n")
    os.mkfifo(tmp_path / "etc/hosts")
    (tmp_path / "etc/hostname").symlink_to("/etc/hostname")

    made = lxdimg_nb.image_metadata(tmp_path)

    assert (made.architecture, made.properties["os"]) == ("aarch64", "void")
    assert "templates" not in made.document


def test_docker_save_tells_its_platform_and_date() -> None:
    made = lxdimg_nb.image_metadata(oci.docker_save(Image([oci.system(183)], architecture="arm64", variant="v8")))

    found = {fact.name: (fact.value, fact.source) for fact in made.facts}
    assert found["architecture"] == ("aarch64", "the container image's configuration")
    assert made.document["creation_date"] == oci.CREATED_SECONDS
    assert (found["names"][0], found["layers"][0], found["os"][0]) == ("app:1.0", "1", "debian")
    assert "lxc.init.cmd = /bin/sh" in made.notes[0]


def test_an_architecture_that_only_the_user_knows_is_taken() -> None:
    data = oci.docker_save(Image([oci.system(999)], architecture="new"))

    with pytest.raises(InvalidImageError, match="name it: architecture="):
        lxdimg_nb.image_metadata(data)
    assert lxdimg_nb.image_metadata(data, architecture="riscv64").architecture == "riscv64"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (factory.small(1), "has a metadata.yaml"),
        (factory.split(1)[0], "has a metadata.yaml"),
        (b"This is a letter.\n" * 40, "no tarball, squashfs or disk"),
        (layer(member("box.ovf", b"<xml>"), member("box-disk1.vmdk", b"KDMV")), "tar -xf FILE box-disk1.vmdk"),
        (layer(member("backup/"), member("backup/index.yaml", b"a: 1")), "lxc import FILE"),
        (b"KDMV" + bytes(80_000), "qemu-img convert"),
        (layer(*(member(f"x/{name}/") for name in ("etc", "usr"))), "tar -C x -czf NEW.tar.gz"),
    ],
)
def test_what_cannot_become_an_image_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(InvalidImageError, match=says):
        lxdimg_nb.image_metadata(data, architecture="x86_64")


@pytest.mark.parametrize(
    "wrong",
    [
        {"architecture": "pdp11"},
        {"architecture": 7},
        {"os": 7},
        {"properties": {"a": 1}},
        {"creation_date": "yesterday"},
        {"creation_date": 10**12},
        {"creation_date": True},
        {"creation_date": 1.5},
        {"image": 5},
        {"image": ""},
        {"templates": "yes"},
        {"templates": {"etc/hosts": "x"}},
        {"templates": {"/../hosts": "x"}},
    ],
)
def test_a_value_that_no_server_takes_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidRequestError):
        lxdimg_nb.image_metadata(oci.system(), **wrong)  # type: ignore[arg-type]


def test_a_hostile_os_release_stays_text() -> None:
    release = b'ID="<b>\x1b[31m"\nPRETTY_NAME="' + b"x" * 9000 + b'"\nVERSION_ID=$(id)\nBROKEN="\n'
    made = lxdimg_nb.image_metadata(oci.system(release=release))

    assert "<b>" not in made._repr_html_() and "\x1b" not in repr(made)
    assert len(made.properties["description"]) <= 500
    assert made.properties["release"] == "$(id)"


@pytest.mark.parametrize("text", ["2024-01-02", "2024-1-2", "2024-1-2 3:4:5", "2024-01-02T3:4:5Z"])
def test_a_value_that_looks_like_a_date_is_a_text_for_every_server(text: str) -> None:
    """Incus 7.0 and newer refuse a date without quotes."""
    made = lxdimg_nb.image_metadata(oci.system(), release=text)

    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        file = tar.extractfile("metadata.yaml")
        assert file is not None
        assert f"release: '{text}'\n" in file.read().decode()
