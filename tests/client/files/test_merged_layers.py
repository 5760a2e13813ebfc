"""Layers of container images become the file system that container runtimes make of them."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb.client.files.formats import archive
from lxdimg_nb.client.files.root_tarball import root_tarball
from lxdimg_nb.errors import InvalidImageError
from tests.kit import container_images as oci
from tests.kit.container_images import Image, layer, member

BASE = layer(
    member("etc/"),
    member("etc/keep", b"keep"),
    member("etc/change", b"old"),
    member("etc/drop", b"drop"),
    member("opt/"),
    member("opt/a/"),
    member("opt/a/1", b"1"),
    member("opt/a/2", b"2"),
    member("usr/"),
    member("usr/bin/"),
    member("usr/bin/tool", b"tool", mode=0o4755, uid=7),
    member("bin", link="usr/bin"),
)


def merged(*layers: bytes) -> dict[str, tarfile.TarInfo]:
    """The members of what the layers make together, by name."""
    data = oci.docker_save(Image(layers))
    with root_tarball(data, lxdimg_nb.image_metadata(data)) as (path, _), tarfile.open(Path(str(path))) as tar:
        return {info.name: info for info in tar}


def content(*layers: bytes) -> dict[str, bytes]:
    """The content of the regular files of what the layers make together."""
    data = oci.docker_save(Image(layers))
    with root_tarball(data, lxdimg_nb.image_metadata(data)) as (path, _), tarfile.open(Path(str(path))) as tar:
        read = ((info.name, tar.extractfile(info)) for info in tar if info.isreg() or info.islnk())
        return {name: file.read() for name, file in read if file is not None}


def test_later_layers_win_and_whiteouts_remove() -> None:
    top = layer(member("etc/change", b"new"), member("etc/.wh.drop"), member("opt/.wh.a"), member("opt/b", b"b"))

    found = content(BASE, top)

    assert found == {"etc/keep": b"keep", "etc/change": b"new", "opt/b": b"b", "usr/bin/tool": b"tool"}


@pytest.mark.parametrize("first", [True, False])
def test_an_opaque_folder_keeps_what_its_own_layer_has(first: bool) -> None:
    marker, new = member("opt/a/.wh..wh..opq"), member("opt/a/3", b"3")

    found = content(BASE, layer(member("opt/a/"), *((marker, new) if first else (new, marker))))

    assert {name for name in found if name.startswith("opt")} == {"opt/a/3"}


@pytest.mark.parametrize("first", [True, False])
def test_a_whiteout_spares_what_its_own_layer_makes_anew(first: bool) -> None:
    marker, new = member("opt/.wh.a"), [member("opt/a/"), member("opt/a/3", b"3")]

    found = content(BASE, layer(*((marker, *new) if first else (*new, marker))))

    assert {name for name in found if name.startswith("opt")} == {"opt/a/3"}


def test_a_file_in_place_of_a_folder_and_the_other_way_round() -> None:
    found = content(BASE, layer(member("opt/a", b"file"), member("etc/drop/"), member("etc/drop/x", b"x")))

    assert found["opt/a"] == b"file" and "opt/a/1" not in found
    assert found["etc/drop/x"] == b"x" and "etc/drop" not in found


def test_files_below_a_link_go_where_it_leads() -> None:
    up = layer(member("bin/more", b"more"), member("bin/.wh.tool"), member("etc/up", link="/../../opt"))

    found = content(BASE, up, layer(member("etc/up/here", b"here")))

    assert found["usr/bin/more"] == b"more" and "usr/bin/tool" not in found
    assert found["opt/here"] == b"here"
    assert not any(name.startswith(("bin/", "etc/up/")) for name in found)


def test_hard_links_reach_into_lower_layers_and_outlive_their_targets() -> None:
    links = layer(
        member("opt/link", type=tarfile.LNKTYPE, link="etc/change"),
        member("opt/tool", type=tarfile.LNKTYPE, link="bin/tool"),
    )
    top = layer(member("etc/change", b"new"), member("usr/bin/.wh.tool"))

    found = content(BASE, links, top)

    assert (found["opt/link"], found["etc/change"]) == (b"old", b"new")
    assert found["opt/tool"] == b"tool" and "usr/bin/tool" not in found


def test_hard_links_devices_owners_and_attributes_stay() -> None:
    top = layer(
        member("opt/link", type=tarfile.LNKTYPE, link="./usr/bin/tool"),
        member("dev/null", type=tarfile.CHRTYPE, device=(1, 3), mode=0o666),
        member("dev/disk", type=tarfile.BLKTYPE, device=(8, 1)),
        member("run/pipe", type=tarfile.FIFOTYPE),
        member("usr/bin/ping", b"ping", xattrs={"security.capability": "\x01\0\0\x02\udcff"}),
    )

    found = merged(BASE, top)

    assert {found["opt/link"].type, found["usr/bin/tool"].type} == {tarfile.REGTYPE, tarfile.LNKTYPE}
    assert (found["usr/bin/tool"].mode, found["usr/bin/tool"].uid) == (0o4755, 7)
    assert (found["dev/null"].type, found["dev/null"].devmajor, found["dev/null"].devminor) == (tarfile.CHRTYPE, 1, 3)
    assert (found["dev/disk"].type, found["run/pipe"].type) == (tarfile.BLKTYPE, tarfile.FIFOTYPE)
    assert found["usr/bin/ping"].pax_headers["SCHILY.xattr.security.capability"] == "\x01\0\0\x02\udcff"
    assert found["bin"].linkname == "usr/bin"


def test_absolute_names_are_below_the_root() -> None:
    found = content(layer(member("/etc/a", b"a"), member("//etc//./b", b"b")))

    assert found == {"etc/a": b"a", "etc/b": b"b"}


def test_sparse_files_are_written_out() -> None:
    sparse = io.BytesIO()
    with tarfile.open(fileobj=sparse, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("etc/sparse")
        # As GNU tar, version 1.0 of its sparse format: a map of one piece, then the piece.
        head = b"1\n1000\n4\n".ljust(512, b"\0")
        info.pax_headers = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": "etc/sparse",
            "GNU.sparse.realsize": "1004",
        }
        info.size = len(head) + 4
        tar.addfile(info, io.BytesIO(head + b"data"))

    assert content(sparse.getvalue()) == {"etc/sparse": bytes(1000) + b"data"}


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (member("../escape", b"x"), "which leads out of its folder"),
        (member("etc/../../escape", b"x"), "which leads out of its folder"),
        (member("etc/.wh..."), "which is no file's name"),
        (member("etc/.wh."), "which is no file's name"),
        (member("etc/x", type=tarfile.LNKTYPE, link="etc/nothing"), "is no file in it"),
        (member("etc/x", type=tarfile.LNKTYPE, link="etc"), "is no file in it"),
        (member("etc/x", type=tarfile.LNKTYPE, link="../etc/passwd"), "leads out of its folder"),
        (member(f"etc/{'n' * 300}", b"x"), "longer than any system takes"),
        (member("/".join("n" * 9 for _ in range(500)), b"x"), "longer than any system takes"),
    ],
)
def test_a_hostile_member_is_refused(bad: tuple[tarfile.TarInfo, bytes], says: str) -> None:
    with pytest.raises(InvalidImageError, match=says) as caught:
        content(BASE, layer(bad))

    assert "layer 2 of 2" in str(caught.value)


def test_links_in_a_circle_are_refused() -> None:
    circle = layer(member("opt/a", link="b"), member("opt/b", link="a"), member("opt/a/x", b"x"))

    with pytest.raises(InvalidImageError, match="lead in a circle"):
        content(circle)


def test_a_layer_that_unpacks_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    # 4 MiB and a hundred times the layer's size, instead of 1 GiB and that.
    monkeypatch.setattr(archive, "MAX_DECOMPRESSED", 1 << 20)
    bomb = gzip.compress(layer(member("zero", bytes(32 << 20))), mtime=0)
    data = oci.oci_archive(oci.oci_files(Image([bomb]), compression="none"))

    with pytest.raises(InvalidImageError, match="unpacks to more than"):
        lxdimg_nb.image_metadata(data)


def test_the_same_layers_make_the_same_bytes() -> None:
    one = oci.docker_save(Image([BASE, oci.system()]))
    other = oci.oci_archive(oci.oci_files(Image([BASE, oci.system()]), compression="zstd"))

    def made(data: bytes) -> bytes:
        with root_tarball(data, lxdimg_nb.image_metadata(data)) as (path, _):
            return Path(str(path)).read_bytes()

    assert made(one) == made(one) == made(other)
