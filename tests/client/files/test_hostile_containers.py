"""Container images, squashfs, disks and folders that are meant to harm: told in words, in bounded memory and time."""

from __future__ import annotations

import gzip
import json
import os
import socket
import tarfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb.client.files.layers import archive_files, container_image, merge
from lxdimg_nb.client.files.root_tarball import root_tarball
from tests.client.files.test_hostile_archives import MIB, temporary, zeros
from tests.fuzz.test_fuzz_roots import _SQUASHFS
from tests.fuzz.test_fuzz_roots import _check as check_merged
from tests.kit import container_images as oci
from tests.kit import disks
from tests.kit.container_images import Image, digest, layer, member
from tests.kit.counts import long_run
from tests.kit.hostile_server import survives

__all__ = ["temporary"]

MEMORY = 192 * MIB
SYSTEM = oci.system()
LAYOUT = oci.oci_files(Image([SYSTEM]))
MANY = 1000 if long_run() else 50


@cache
def unpacked_digest(content: bytes) -> str:
    return digest(gzip.decompress(content))


def layout(config: Mapping[str, Any], *layers: bytes, index: Any = None, diff_ids: list[str] | None = None) -> bytes:
    """An OCI archive of these packed layers, whose digests are right unless others are given."""
    files: dict[str, bytes] = {"oci-layout": b"{}"}

    def blob(content: bytes) -> dict[str, Any]:
        files["blobs/sha256/" + digest(content)[7:]] = content
        return {"digest": digest(content), "size": len(content)}

    ids = diff_ids if diff_ids is not None else [unpacked_digest(one) for one in layers]
    document = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ids}, **config}
    manifest = blob(
        json.dumps({"config": blob(json.dumps(document).encode()), "layers": [blob(one) for one in layers]}).encode()
    )
    files["index.json"] = json.dumps(index(files, manifest) if index else {"manifests": [manifest]}).encode()
    return oci.oci_archive(files)


def one_another(files: dict[str, bytes], manifest: dict[str, Any]) -> dict[str, Any]:
    """Indexes in indexes, deeper than any."""
    found = {"manifests": [manifest]}
    for _ in range(50):
        content = json.dumps(found).encode()
        files["blobs/sha256/" + digest(content)[7:]] = content
        found = {"manifests": [{"digest": digest(content)}] * 2}
    return found


def heavy(files: dict[str, bytes], manifest: dict[str, Any]) -> dict[str, Any]:
    """A thousand times the same index, of 3 MB in a long run."""
    content = json.dumps({"manifests": [], "x": ["y"] * (600_000 if long_run() else 60_000)}).encode()
    files["blobs/sha256/" + digest(content)[7:]] = content
    return {"manifests": [{"digest": digest(content)}] * 999 + [manifest]}


def over(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A container image with these members over a small system."""
    return oci.docker_save(Image([SYSTEM, layer(*members)]))


def index(manifests: Any) -> bytes:
    """An OCI archive whose index holds these, as JSON or as bytes of it."""
    text = manifests if isinstance(manifests, bytes) else json.dumps(manifests).encode() + b"}"
    return oci.oci_archive(LAYOUT | {"index.json": b'{"manifests":' + text})


PACKED = gzip.compress(SYSTEM, mtime=0)
BOMB = gzip.compress(layer(member("etc/x", b"x"))[:-1024] + layer(member("usr/x"))[:512], 1) + zeros(16 * MIB)
WHITEOUTS = layer(
    *(member(name) for name in (".wh..wh..opq", "etc/.wh..wh..opq", ".wh.usr", ".wh.etc", "usr/.wh..wh.plnk")),
    *(member(f"{name}/.wh.x") for name in ("none", "etc/none", "usr/bin/sh", "a/b/c/d")),
)
IMAGES: dict[str, Callable[[], bytes]] = {
    "whiteouts of everything": lambda: oci.docker_save(Image([SYSTEM, WHITEOUTS])),
    "whiteouts of everything, first": lambda: oci.docker_save(Image([WHITEOUTS, SYSTEM, WHITEOUTS])),
    "a whiteout of what leads out": lambda: over(member(".wh...")),
    "a whiteout of nothing": lambda: over(member("etc/.wh.")),
    "a whiteout of the metadata": lambda: over(member(".wh.metadata.yaml"), member(".wh.rootfs")),
    "whiteouts through a link": lambda: over(member("a", link="/"), member("a/a/a/.wh.etc")),
    "the same layer again and again": lambda: oci.docker_save(Image([SYSTEM] * MANY)),
    "more layers than any": lambda: layout({}, *[PACKED] * 1001),
    "a bomb again and again": lambda: layout({}, *[BOMB] * 999),
    "indexes in one another": lambda: layout({}, PACKED, index=one_another),
    "an index that is heavy": lambda: layout({}, PACKED, index=heavy),
    "another digest": lambda: layout({}, PACKED, diff_ids=["sha256:" + "0" * 64]),
    "a digest that is a path": lambda: index([{"digest": "sha256:../../../etc/passwd"}]),
    "an index of nonsense": lambda: index([None, 5, [], {"digest": {}}, {"digest": "x" * MIB}]),
    "a config of nonsense": lambda: layout({"created": [], "config": 7, "architecture": {}, "variant": 5}, PACKED),
    "times of nonsense": lambda: layout({"created": "99999-99-99T99:99:99Z"}, PACKED),
    "a config of 5 MB": lambda: layout({"x": "y" * (5 * MIB)}, PACKED),
    "a deep config": lambda: index(b"[" * 100_000),
    "numbers of a million digits": lambda: index(b"[" + b"1" * MIB + b"]}"),
    "no UTF-8": lambda: index(b'["\xff"]}'),
    "a layer that is no tarball": lambda: layout({}, gzip.compress(b"no" * 5000)),
    "a layer that breaks off": lambda: layout({}, PACKED[:-50], diff_ids=[digest(SYSTEM)]),
    "layers that are links": lambda: layer(
        member("oci-layout", b"{}"),
        member("index.json", link="../../../../etc/passwd"),
        member("manifest.json", link="manifest.json"),
        member("blobs/", b""),
    ),
    "a manifest of paths": lambda: layer(
        member("0" * 64 + ".json", b"{}"),
        member("manifest.json", json.dumps([{"Config": "/etc/passwd", "Layers": ["../../etc/shadow"]}]).encode()),
    ),
    "ten thousand manifests": lambda: layer(
        member("0" * 64 + ".json", b"{}"),
        member("manifest.json", json.dumps([{"Config": "0" * 64 + ".json", "Layers": []}] * 10_000).encode()),
    ),
    "more files than any": lambda: layer(member("oci-layout", b"{}"), *[member("x")] * (100_001 if long_run() else 9)),
    "a layer of holes": lambda: oci.docker_save(Image([SYSTEM, HOLES])),
    "device nodes and setuid": lambda: over(
        member("dev/mem", type=tarfile.CHRTYPE, device=(1, 1)), member("x", mode=0o7777), member("y", type=b"7")
    ),
}  # fmt: skip


def _holes() -> bytes:
    """A layer with a sparse file of 1 TiB."""
    info = tarfile.TarInfo("etc/big")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 40)}
    content = b"1\n0\n1\n".ljust(512, b"\0") + b"x".ljust(512, b"\0")
    info.size = len(content)
    return info.tobuf(tarfile.PAX_FORMAT) + content + bytes(1024)


HOLES = _holes()


def make(data: bytes | Path) -> None:
    """Make metadata and the tarball that servers would get."""
    metadata = lxdimg_nb.image_metadata(data, architecture="x86_64")
    assert repr(metadata)
    with root_tarball(data, metadata) as (made, _):
        if isinstance(made, Path):
            check_merged(made)


@pytest.mark.slow
@pytest.mark.parametrize("kind", IMAGES)
def test_a_hostile_container_image_is_told_in_words(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if not long_run():
        monkeypatch.setattr(merge, "unpack_limit", lambda size: 100 * (size or 0) + 16 * MIB)
    data = IMAGES[kind]()

    survives("hostile containers", lambda: make(data), memory=MEMORY)

    assert list(temporary.iterdir()) == []


def test_manifests_are_read_within_a_limit_and_without_it_this_would_be_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []
    monkeypatch.setattr(container_image, "parse_json", lambda name, _: read.append(name) or {"manifests": []})
    data = IMAGES["an index that is heavy"]()

    survives("hostile containers", lambda: make(data))
    assert len(read) < 150

    read.clear()
    monkeypatch.setattr(archive_files, "MAX_ALL_JSON", 1 << 60)
    survives("hostile containers", lambda: make(data))
    assert len(read) > 500


LIES = (b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x01", b"\x01\0\0\0")
DISKS: dict[str, tuple[bytes, int]] = {
    "qcow2": (disks.qcow2(disks.fat(["BOOTX64.EFI"])[:60_000], compressed=True, bits=12), 112),
    "squashfs": (_SQUASHFS or b"hsqs" + bytes(92), 96),
    "GPT": (disks.gpt((disks.ESP, disks.fat(["BOOTX64.EFI"])))[: 1 << 20], 1024 + 128),
    "FAT": (disks.fat(["BOOTX64.EFI"])[:40_000], 96),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", DISKS)
def test_lies_in_every_field_of_a_header(temporary: Path, kind: str) -> None:
    data, size = DISKS[kind]
    begin = 512 if kind == "GPT" else 4
    for at in range(begin, size, 4 if long_run() or size < 200 else 12):
        for lie in LIES if long_run() else LIES[:3]:
            damaged = data[:at] + lie + data[at + 4 :]
            survives("hostile disks", lambda damaged=damaged: make(damaged), memory=MEMORY)

    assert list(temporary.iterdir()) == []


def test_a_folder_of_pipes_devices_and_circles_is_read_without_waiting(temporary: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("etc", "usr/lib", "usr/bin"):
        (root / name).mkdir(parents=True)
    os.mkfifo(root / "etc/os-release")
    os.mkfifo(root / "usr/bin/sh")
    (root / "bin").symlink_to("bin")
    (root / "etc/hosts").symlink_to("/etc/passwd")
    (root / "etc/hostname").symlink_to("../../../../../../etc/hostname")
    (root / "lib").symlink_to("/")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(root / "s"))
        survives("hostile disks", lambda: make(root))
        found = lxdimg_nb.image_metadata(root, architecture="x86_64")

    assert b"root:" not in gzip.decompress(found)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root"]


def test_a_layout_in_a_folder_with_pipes_and_links_out_of_it_is_refused(temporary: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root:x:0:0")
    folder = oci.oci_folder(LAYOUT, tmp_path / "layout")
    for name in list(LAYOUT):
        if name.startswith("blobs/"):
            (folder / name).unlink()
            os.mkfifo(folder / name) if len(name) % 2 else (folder / name).symlink_to(secret)

    assert survives("hostile disks", lambda: make(folder)) is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layout", "secret"]
