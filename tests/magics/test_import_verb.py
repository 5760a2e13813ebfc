"""`%lxdimg import --make-metadata`: files that have no metadata become images."""

from __future__ import annotations

from pathlib import Path

from tests.kit import container_images as oci
from tests.kit.container_images import Image
from tests.kit.kernel import Kernel
from tests.kit.servers import RunningServer


def test_a_docker_save_file_becomes_an_image(kernel: Kernel, server: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "app.tar"
    path.write_bytes(oci.docker_save(Image([oci.system()])))

    refused = kernel.run(f"%lxdimg import {path}", ok=False)
    checked = kernel.run(f"c = %lxdimg check {path}\nprint(c)")
    seen = kernel.run(f"d = %lxdimg check {path} --make-metadata release=9 color=red\nprint(d.fingerprint)").stdout
    said = kernel.run(f"image = %lxdimg import {path} --make-metadata release=9 color=red --alias app\n").stdout

    assert "%lxdimg import FILE --make-metadata makes it an image" in refused.evalue
    assert "--make-metadata" in checked.stdout.replace("\n", " ")
    assert kernel.value("image.fingerprint") in seen and "release 9 (given)" in seen
    assert "release 9 (given)" in said and "os debian (/usr/lib/os-release: ID)" in said
    image = server.get(f"images/{kernel.value('image.fingerprint')}")
    assert image["architecture"] == "x86_64"
    assert (image["properties"]["release"], image["properties"]["color"]) == ("9", "red")
    assert [alias["name"] for alias in image["aliases"]] == ["app"]


def test_what_cannot_be_is_told_in_verbs(kernel: Kernel, server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "empty.tar").write_bytes(oci.layer(oci.member("etc/"), oci.member("usr/")))
    (tmp_path / "two.tar").write_bytes(oci.docker_save(Image([], names=["a:1"]), Image([], names=["b:1"])))

    (tmp_path / "root/etc").mkdir(parents=True)

    folder = kernel.run(f"%lxdimg import {tmp_path}/root", ok=False)
    unknown = kernel.run(f"%lxdimg import {tmp_path}/empty.tar --make-metadata", ok=False)
    several = kernel.run(f"%lxdimg import {tmp_path}/two.tar --make-metadata", ok=False)
    third = kernel.run(f"%lxdimg import {tmp_path}/empty.tar {tmp_path}/two.tar --make-metadata", ok=False)
    odd = kernel.run(f"%lxdimg check {tmp_path}/empty.tar color=red", ok=False)

    assert "a root file system; %lxdimg import FILE --make-metadata makes it an image" in folder.evalue
    assert "check takes a file" in odd.evalue
    assert "name it: architecture=x86_64" in unknown.evalue
    assert "choose one with image=NAME: a:1" in several.evalue
    assert "name only the root file system" in third.evalue


def test_the_values_are_completed(kernel: Kernel) -> None:
    assert "architecture=" in kernel.complete("%lxdimg import x --make-metadata arch")
    assert "architecture=aarch64" in kernel.complete("%lxdimg import x --make-metadata architecture=aa")
    assert "--make-metadata" in kernel.complete("%lxdimg import x --ma")
    assert kernel.complete("%lxdimg import x architectu") == []
