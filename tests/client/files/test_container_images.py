"""Container images are found in every form that tools write, chosen by name and platform, and checked."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb.errors import InvalidImageError
from tests.kit import container_images as oci
from tests.kit import factory
from tests.kit.container_images import Image, layer, member
from tests.kit.servers import RunningServer

TOP = layer(member("etc/more", b"more"), member("etc/.wh.hosts"))
APP = Image([oci.system(), TOP, TOP])
ARM = Image([oci.system(183)], architecture="arm64")
OTHER = Image([oci.system(release=b"ID=alpine\n")], names=("other:2.0",))

FORMS: dict[str, Callable[..., bytes]] = {
    "docker save": oci.docker_save,
    "docker save, gzipped": lambda *images: gzip.compress(oci.docker_save(*images), mtime=0),
    "docker save of version 25": lambda *images: oci.oci_archive(oci.oci_files(*images, docker=True)),
    "oci-archive": lambda *images: oci.oci_archive(oci.oci_files(*images)),
    "oci-archive with zstd layers": lambda *images: oci.oci_archive(oci.oci_files(*images, compression="zstd")),
    "oci-archive, xz": lambda *images: factory.compress(oci.oci_archive(oci.oci_files(*images)), "xz"),
    "nested index": lambda *images: oci.oci_archive(oci.oci_files(*images, nested=True)),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_becomes_an_image(demo: RunningServer, tmp_path: Path, form: str) -> None:
    path = tmp_path / "app.tar"
    path.write_bytes(FORMS[form](APP))

    with lxdimg_nb.connect(demo.url) as client:
        metadata = lxdimg_nb.image_metadata(path, os="Mine")
        found = client.images.check(path, metadata)
        image = client.images.create(path, metadata=metadata, wait=True)

    assert (found.problems, found.kind, found.type, found.architecture) == ((), "split", "container", "x86_64")
    assert (image.fingerprint, image.properties["os"]) == (found.fingerprint, "Mine")
    assert image.filename == "app.tar.gz"


def test_a_folder_becomes_an_image(demo: RunningServer, tmp_path: Path) -> None:
    layout = oci.oci_folder(oci.oci_files(APP), tmp_path / "layout")
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/etc/os-release").write_text("ID=void\n")

    with lxdimg_nb.connect(demo.url) as client:
        image = client.images.create(layout, metadata=lxdimg_nb.image_metadata(layout), wait=True)
        root = tmp_path / "root"
        other = client.images.create(root, metadata=client.images.metadata(root, architecture="arm64"), wait=True)

    assert image.properties["os"] == "debian"
    assert (other.properties["os"], other.architecture) == ("void", "aarch64")


@pytest.mark.parametrize("form", [form for form in FORMS if form != "nested index"])
def test_one_of_several_is_chosen_by_name(form: str) -> None:
    data = FORMS[form](APP, OTHER)

    with pytest.raises(InvalidImageError, match="choose one with image="):
        lxdimg_nb.image_metadata(data)
    with pytest.raises(InvalidImageError, match=r"no image app:9; it holds .*2\.0"):
        lxdimg_nb.image_metadata(data, image="app:9")
    name = "2.0" if form.startswith("oci") else "other:2.0"
    assert lxdimg_nb.image_metadata(data, image=name).properties["os"] == "alpine"


def test_the_platform_is_chosen_by_architecture(demo: RunningServer) -> None:
    data = FORMS["nested index"](APP, ARM)

    with pytest.raises(InvalidImageError, match=r"choose one with architecture=.*linux/amd64.*linux/arm64"):
        lxdimg_nb.image_metadata(data)
    metadata = lxdimg_nb.image_metadata(data, architecture="arm64")
    with lxdimg_nb.connect(demo.url) as client:
        image = client.images.create(data, metadata=metadata, wait=True)
        plain = client.images.check(data, bytes(metadata))

    assert image.architecture == "aarch64"
    assert plain.exists
    with pytest.raises(InvalidImageError, match="no image s390x"):
        lxdimg_nb.image_metadata(data, architecture="s390x")


def test_platforms_whose_files_were_left_out_do_not_count() -> None:
    files = oci.oci_files(APP, ARM, nested=True)
    left_out = oci.digest(gzip.compress(ARM.layers[0], mtime=0))[7:]
    del files[f"blobs/sha256/{left_out}"]

    assert lxdimg_nb.image_metadata(oci.oci_archive(files)).architecture == "x86_64"


def _broken(name: str, change: Callable[[bytes], bytes]) -> bytes:
    files = oci.oci_files(APP)
    found = next(path for path, content in files.items() if name.encode() in content)
    return oci.oci_archive(files | {found: change(files[found])})


def _without(*names: str) -> bytes:
    files = oci.oci_files(APP)
    return oci.oci_archive({path: content for path, content in files.items() if path not in names})


BROKEN: dict[str, tuple[Callable[[], bytes], str]] = {
    "a changed configuration": (lambda: _broken('"rootfs"', lambda c: c.replace(b"amd64", b"arm64")), "is damaged"),
    "a changed manifest": (lambda: _broken('"layers"', lambda c: c + b" "), "is damaged"),
    "a changed layer": (lambda: _changed_layer(), "layer 2 of 3: it is damaged"),
    "no index": (lambda: _without("index.json"), "no image whose files are all there"),
    "an index that is no JSON": (lambda: oci.oci_archive({**oci.oci_files(APP), "index.json": b"{"}), "is no JSON"),
    "an index that is a list": (lambda: oci.oci_archive({**oci.oci_files(APP), "index.json": b"[]"}), "no image"),
    "for Windows": (lambda: oci.docker_save(Image([TOP], os="windows")), "an image for windows"),
    "a layer too few": (lambda: _fewer_layers(), "tells of 2"),
    "an encrypted layer": (
        lambda: oci.oci_archive(oci.oci_files(Image([b"\x9a" * 900]), compression="none")),
        "no tarball",
    ),
    "a layer of docker that is missing": (lambda: _missing_layer(), "is missing in it"),
}


def _changed_layer() -> bytes:
    files = oci.oci_files(APP)
    name = f"blobs/sha256/{oci.digest(gzip.compress(TOP, mtime=0))[7:]}"
    changed = layer(member("etc/more", b"less"), member("etc/.wh.hosts"))
    return oci.oci_archive({**files, name: gzip.compress(changed, mtime=0)})


def _fewer_layers() -> bytes:
    return oci.docker_save(Image([TOP], config={"rootfs": {"type": "layers", "diff_ids": [oci.digest(b"")] * 2}}))


def _missing_layer() -> bytes:
    files = oci.oci_files(APP, docker=True)
    manifest = json.loads(files["manifest.json"])
    manifest[0]["Layers"][0] = "../../etc/passwd"
    blobs = {name: content for name, content in files.items() if name.startswith("blobs/")}
    return oci.oci_archive({"manifest.json": json.dumps(manifest).encode(), **blobs})


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_told(name: str) -> None:
    make, says = BROKEN[name]

    with pytest.raises(InvalidImageError, match=says):
        lxdimg_nb.image_metadata(make())


def test_links_in_a_folder_do_not_lead_out_of_it(tmp_path: Path) -> None:
    layout = oci.oci_folder(oci.oci_files(APP), tmp_path / "layout")
    name = next(path for path in (layout / "blobs/sha256").iterdir() if path.read_bytes()[:2] == b"\x1f\x8b")
    name.rename(tmp_path / "outside")
    name.symlink_to("../../../outside")

    with pytest.raises(InvalidImageError, match="no image whose files are all there"):
        lxdimg_nb.image_metadata(layout)


KINDS: dict[str, tuple[Callable[[], bytes], str]] = {
    "docker save": (lambda: oci.docker_save(APP), "a container image"),
    "OCI layout": (lambda: oci.oci_archive(oci.oci_files(APP)), "a container image"),
    "root file system": (lambda: gzip.compress(oci.system()), "the tarball of a root file system"),
    "qcow2": (factory.qcow2, "a disk image"),
    "OVA": (
        lambda: layer(member("a.ovf", b"<a>"), member("a.vmdk", b"KDMV")),
        "an appliance (OVA) whose disk is a.vmdk",
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_check_says_what_it_is_and_the_next_step(demo: RunningServer, name: str) -> None:
    make, says = KINDS[name]

    with lxdimg_nb.connect(demo.url) as client:
        found = client.images.check(make())
        with pytest.raises(InvalidImageError, match="image_metadata"):
            client.images.create(make())

    assert says in found.problems[0] and "lxdimg.image_metadata(" in found.problems[0]


def test_a_folder_is_told_what_it_is(demo: RunningServer, tmp_path: Path) -> None:
    layout = oci.oci_folder(oci.oci_files(APP), tmp_path / "layout")

    with lxdimg_nb.connect(demo.url) as client:
        with pytest.raises(InvalidImageError, match=r"OCI layout.*image_metadata"):
            client.images.check(layout)
        with pytest.raises(InvalidImageError, match="give the file of an image"):
            client.images.create(tmp_path)


def test_the_merged_file_is_gone_afterwards(
    demo: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    data = oci.docker_save(APP)

    with lxdimg_nb.connect(demo.url) as client:
        client.images.create(data, metadata=lxdimg_nb.image_metadata(data), wait=True)
        client.images.check(data, lxdimg_nb.image_metadata(data))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [oci.docker_save(APP), oci.system()])
def test_an_open_file_can_be_read_again_after_a_look(demo: RunningServer, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file.tar"
    path.write_bytes(b"before" + data)

    with lxdimg_nb.connect(demo.url) as client, path.open("rb") as file:
        file.seek(6)
        metadata = lxdimg_nb.image_metadata(file)
        found = client.images.check(file, metadata)
        image = client.images.create(file, metadata=metadata, wait=True)

    assert (found.problems, image.fingerprint) == ((), found.fingerprint)


@pytest.mark.parametrize("folder", [False, True])
def test_the_metadata_may_come_first(demo: RunningServer, tmp_path: Path, folder: bool) -> None:
    files = oci.oci_files(APP)
    data = oci.oci_folder(files, tmp_path / "app") if folder else oci.oci_archive(files)
    metadata = lxdimg_nb.image_metadata(data)

    with lxdimg_nb.connect(demo.url) as client:
        image = client.images.create(metadata, metadata=data, wait=True)
        assert client.images.check(data, metadata).exists

    assert image.properties["os"] == "debian"


def test_names_of_other_tools_are_known() -> None:
    """As jib, kaniko and crane write them: compressed layers, and a configuration without a suffix."""
    config, packed = APP.configuration(), [gzip.compress(one, mtime=0) for one in APP.layers]
    paths = [f"{oci.digest(one)[7:]}.tar.gz" for one in packed]
    manifest = [{"Config": oci.digest(config), "RepoTags": ["app:1.0"], "Layers": paths}]
    blobs = [member(name, content) for name, content in zip(paths[:2], packed, strict=False)]
    data = layer(*blobs, member(oci.digest(config), config), member("manifest.json", json.dumps(manifest).encode()))

    assert lxdimg_nb.image_metadata(data).properties["os"] == "debian"


def test_one_image_under_two_names_is_one() -> None:
    files = oci.oci_files(APP, Image(APP.layers, names=("app:latest",)))

    assert lxdimg_nb.image_metadata(oci.oci_archive(files)).architecture == "x86_64"
    assert lxdimg_nb.image_metadata(oci.oci_archive(files), image="latest").architecture == "x86_64"


def test_a_layout_in_a_folder_of_a_tarball_is_told() -> None:
    data = layer(member("app/"), *(member(f"app/{name}", content) for name, content in oci.oci_files(APP).items()))

    with pytest.raises(InvalidImageError, match=r"an OCI layout in the folder app; .*image_metadata\('app'\)"):
        lxdimg_nb.image_metadata(data)
