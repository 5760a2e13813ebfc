"""The steps of `basic.sh` that touch images: export, import, aliases, lists, publishing."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

import lxdimg_nb
from tests.kit import factory
from tests.kit.drivers import REFUSED, ClientDriver, CommandDriver, Driver, named
from tests.kit.servers import POOL, RunningServer
from tests.kit.steps import step

Files = Callable[..., Path]
Stranger = Callable[[str], list[str]]


def sum_of(*paths: Path) -> str:
    """SHA-256 of files one after the other."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def test_exports_and_imports(driver: Driver, files: Files, tmp_path: Path) -> None:
    content = files(1, "first.tar.gz").read_bytes()
    fingerprint = driver.create(tmp_path / "first.tar.gz", aliases=["testimage"])
    folder = tmp_path / "out"
    folder.mkdir()
    with step("export-sum-is-the-fingerprint"):
        (exported,) = driver.export("testimage", folder)
        assert sum_of(exported) == fingerprint
    with step("show-by-fingerprint"):
        assert driver.image(fingerprint)["aliases"] == [{"name": "testimage", "description": ""}]
    with step("delete"):
        driver.delete("testimage")
        assert driver.server.get("images") == driver.server.get("images/aliases") == []
    with step("import-again-with-alias-property-and-public"):
        driver.create(exported, aliases=["testimage"], properties={"user.foo": "bar"}, public=True)
        assert driver.get_property("testimage", "user.foo") == "bar"
        assert driver.image("testimage")["public"] is True
    with step("import-again-private"):
        driver.delete("testimage")
        assert driver.create(exported, aliases=["testimage"]) == fingerprint
        assert driver.image("testimage")["public"] is False
    with step("export-names-the-file-by-the-fingerprint"):
        exported.unlink()
        (exported,) = driver.export("testimage", folder)
        assert exported.name == f"{fingerprint}.tar.gz"
    with step("export-to-a-name"):
        (chosen,) = driver.export("testimage", folder / "foo")
        assert chosen.name.startswith("foo")
        assert chosen.read_bytes() == content


@pytest.mark.parametrize("name", ["", "busybox"])
def test_a_split_image(driver: Driver, tmp_path: Path, name: str) -> None:
    parts = [tmp_path / "meta.tar.gz", tmp_path / (name or "rootfs.squashfs")]
    for path, data in zip(parts, factory.split(2), strict=True):
        path.write_bytes(data)
    folder = tmp_path / "out"
    folder.mkdir()

    fingerprint = driver.create(*parts, aliases=["splitimage"])

    with step("split-export"):
        metadata, root = driver.export("splitimage", folder)
        assert sum_of(metadata, root) == sum_of(*parts) == fingerprint
    with step("split-file-name"):
        assert driver.image("splitimage")["filename"] == parts[1].name
        assert metadata.name.startswith("meta-")
        driver.delete("splitimage")


def test_aliases(driver: Driver, files: Files) -> None:
    fingerprint = driver.create(files(1), aliases=["testimage"])
    # An Incus newer than 6.0.4 takes no slash at the end.
    slashes = "a/b/" if driver.product == "lxd" else "a/b"
    with step("alias-with-slashes"):
        driver.add_alias(slashes, fingerprint)
        assert driver.image(slashes)["fingerprint"] == fingerprint
    with step("instance-from-an-alias-with-slashes"):
        driver.server.add_instance("c1", named(driver.server, "default", slashes))
        assert driver.server.get("instances/c1")["config"]["volatile.base_image"] == fingerprint
        driver.delete_alias(slashes)
        assert slashes not in driver.aliases()
    with step("alias-list"):
        driver.add_alias("foo", fingerprint)
        driver.add_alias("bar", fingerprint)
        assert driver.aliases() == dict.fromkeys(["testimage", "foo", "bar"], fingerprint)
    if isinstance(driver, CommandDriver):
        with step("alias-list-filter"):
            of_foo, of_none = (driver("image", "alias", "list", driver.at("local:"), word) for word in ("foo", "none"))
            assert "foo" in of_foo
            assert "bar" not in of_foo
            assert "foo" not in of_none
            assert "foo" in driver("image", "alias", "list", "local:", fingerprint)
        with step("list-as-table-and-json"):
            assert "(2 more)" in driver("image", "list", "--format", "table")
            (listed,) = json.loads(driver("image", "list", "--format", "json"))
            assert {alias["name"] for alias in listed["aliases"]} == {"testimage", "foo", "bar"}
        with step("list-all-aliases"):
            assert driver.rows("L") == [["bar\nfoo\ntestimage"]]
        with step("command-line-alias"):
            assert driver("image", "ls") == driver("image", "list")
    with step("alias-rename"):
        driver.delete_alias("bar")
        driver.rename_alias("foo", "bar")
        assert driver.aliases() == dict.fromkeys(["testimage", "bar"], fingerprint)
    if driver.newer:
        with step("alias-description"):
            driver.add_alias("baz", fingerprint, "Test description")
            assert driver.server.get("images/aliases/baz")["description"] == "Test description"
            assert {"name": "baz", "description": "Test description"} in driver.image("baz")["aliases"]
    with step("delete-several"):
        names = [driver.create(files(number), aliases=[f"image{number}"]) for number in (2, 3, 4)]
        driver.delete("image2", "image3", "image4")
        assert not set(names) & {image["fingerprint"] for image in driver.images()}


def test_publishing(driver: Driver, files: Files, stranger: Stranger) -> None:
    server = driver.server
    server.add_instance("bar", driver.create(files(1), aliases=["testimage"]))
    server.add_instance("baz", driver.create(files(2)))
    with step("publish-with-a-property"):
        driver.publish("bar", aliases=["foo-image"], properties={"prop1": "val1"})
        assert driver.get_property("foo-image", "prop1") == "val1"
    with step("published-image-is-private"):
        assert stranger("/1.0/images") == []
        driver.delete("foo-image")
    first = driver.publish("bar", aliases=["foo-image", "bar-image2"])
    if driver.newer:
        with step("publish-with-a-taken-alias-is-refused"):
            with pytest.raises(REFUSED, match=r"already|taken"):
                driver.publish("baz", aliases=["foo-image"])
            assert named(server, "default", "foo-image") == first
    with step("publish-with-reuse-moves-the-alias"):
        # lxc 5.0.2 knows no --reuse and does it unasked.
        second = driver.publish("baz", aliases=["foo-image"], reuse=driver.newer, properties={"n": "2"})
        assert (named(server, "default", "foo-image"), named(server, "default", "bar-image2")) == (second, first)
    with step("publish-with-reuse-of-all-aliases"):
        third = driver.publish("baz", aliases=["foo-image", "bar-image2"], reuse=driver.newer, properties={"n": "3"})
        assert {named(server, "default", name) for name in ("foo-image", "bar-image2")} == {third}
        assert second not in driver.aliases().values()
    bare = [image["fingerprint"] for image in driver.images() if image["fingerprint"] in (first, second)]
    driver.delete("foo-image", *bare)
    with step("publish-compressed-by-bzip2"):
        packed = driver.publish("bar", aliases=["packed"], compression="bzip2", properties={"prop": "val"})
        (exported,) = driver.export("packed", files(9).parent)
        assert exported.suffix == ".bz2"
        assert driver.get_property("packed", "prop") == "val"
        assert stranger("/1.0/images") == []
        driver.delete(packed)
    with step("publish-with-options-of-the-compressor"):
        driver.delete(driver.publish("bar", compression="gzip --rsyncable"))
    with step("publish-with-an-unknown-compressor-is-refused"):
        count = len(driver.images())
        for wrong in ("ls", "ps"):
            with pytest.raises(REFUSED, match=wrong):
                driver.publish("bar", compression=wrong)
        assert len(driver.images()) == count
    with step("publish-public"):
        public = driver.publish("bar", public=True, aliases=["bar-image2"])
        assert stranger("/1.0/images") == [f"/1.0/images/{public}"]
        driver.delete("bar-image2")
    with step("publish-a-snapshot"):
        server.add_snapshot("bar", "snap0")
        server.add_instance("bar2", driver.publish("bar/snap0", aliases=["foo"]))
        assert server.get("instances/bar2")["config"]["volatile.base_image"] == named(server, "default", "foo")
        driver.delete("foo")
    with step("publish-with-an-expiry"):
        driver.publish("bar", aliases=["kept"], expires_at="2040-01-02T03:04:05Z")
        assert driver.image("kept")["expires_at"].startswith("2040-01-02T03:04:05")


def test_a_compressor_is_not_given_other_files(driver: Driver, files: Files, tmp_path: Path) -> None:
    driver.server.add_instance("c1", driver.create(files(1)))
    target = tmp_path / "stolen"

    with step("publish-with-dangerous-options-writes-no-other-file"):
        dangerous = f"zstd -d -f --pass-through -o {target} -- /etc/hostname"
        if isinstance(driver, CommandDriver):
            driver.cli.ended("publish", "c1", "--compression", dangerous)
        else:
            with pytest.raises(REFUSED, match="options that may not be given"):
                driver.publish("c1", compression=dangerous)
        assert not target.exists()


@pytest.mark.real
def test_an_instance_without_metadata_or_with_access_lists(real: RunningServer) -> None:
    real.add_instance("c1", real.add_image(factory.small(1, rootfs_files={"root/foo": b""})))
    place = real.folder / "storage-pools" / POOL / "containers"
    # Version 2; owner rwx, user 1000001 rwx, group r-x, mask rwx, others r-x.
    rules = ((1, 7, -1), (2, 7, 1_000_001), (4, 5, -1), (16, 7, -1), (32, 5, -1))
    entry = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *rule) for rule in rules)
    with lxdimg_nb.connect(real.url) as client:
        driver = ClientDriver(real, client)
        with step("published-access-lists-are-those-of-the-instance"):
            os.setxattr(place / "c1/rootfs/root/foo", "system.posix_acl_access", entry)
            real.add_instance("c2", driver.publish("c1", aliases=["c1-with-acl"]))
            assert os.getxattr(place / "c2/rootfs/root/foo", "system.posix_acl_access") == entry
        with step("publish-without-metadata-yaml"):
            (place / "c1/metadata.yaml").unlink()
            made = driver.publish("c1", aliases=["nometadata-image"], compression="none")
            assert driver.image(made)["architecture"] == "x86_64"
