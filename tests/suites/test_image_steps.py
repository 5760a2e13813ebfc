"""The steps of `image.sh` that need one server: properties, lists, imports of folders and bad files, prefixes."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit import factory
from tests.kit.drivers import REFUSED, ClientDriver, CommandDriver, Driver, named
from tests.kit.steps import step

Files = Callable[..., Path]


def test_properties_and_edits(driver: Driver, files: Files) -> None:
    driver.create(files(1), aliases=["testimage"])
    with step("property-is-set-read-and-removed"):
        driver.set_property("testimage", "requirements.secureboot", "true")
        assert driver.get_property("testimage", "requirements.secureboot") == "true"
        driver.unset_property("testimage", "requirements.secureboot")
        assert "requirements.secureboot" not in driver.image("testimage")["properties"]
    with step("edit-makes-public-and-private-again"):
        for public in (True, False):
            driver.edit("testimage", public=public)
            assert driver.image("testimage")["public"] is public
    with step("edit-keeps-what-is-not-edited"):
        before = driver.image("testimage")
        driver.edit("testimage", auto_update=True)
        after = driver.image("testimage")
        assert {key for key in before if before[key] != after[key]} == {"auto_update"}


def test_lists(driver: Driver, files: Files) -> None:
    first, second = (driver.create(files(number), aliases=[f"n{number}"]) for number in (0, 1))
    driver.server.add_project("p1")
    with step("list-with-a-property-filter"):
        filtered = {name: {image["fingerprint"] for image in driver.images(f"os={name}")} for name in ("Debian", "BSD")}
        assert filtered == {"Debian": {first}, "BSD": set()}
    with step("list-with-a-server-filter"):
        for recursion, expected in ((0, [f"/1.0/images/{first}"]), (1, [first])):
            reply = driver.server.get(f"images?recursion={recursion}&filter=properties.os%20eq%20Debian")
            assert [entry["fingerprint"] if recursion else entry for entry in reply] == expected
    if driver.newer:
        with step("list-of-all-projects-has-an-image-twice"):
            driver.copy(first, driver.within("p1"), mode="relay")
            found = [(image["project"], image["fingerprint"]) for image in driver.images(everywhere=True)]
            assert sorted(found) == sorted([("default", first), ("default", second), ("p1", first)])
            driver.within("p1").delete(first)


def test_a_folder_becomes_an_image(driver: Driver, files: Files, tmp_path: Path) -> None:
    folder = tmp_path / "unpacked"
    with tarfile.open(files(1)) as archive:
        archive.extractall(folder, filter="data")
    (folder / "templates").mkdir()  # lxc and incus want it
    (tmp_path / "out").mkdir()

    with step("import-of-a-folder"):
        fingerprint = driver.create(folder)
        (exported,) = driver.export(fingerprint, tmp_path / "out")
        assert hashlib.sha256(exported.read_bytes()).hexdigest() == fingerprint
        driver.delete(fingerprint)
    with step("metadata-yaml-is-in-the-export"), tarfile.open(exported) as archive:
        assert {name.removeprefix("./") for name in archive.getnames()} >= {"metadata.yaml", "rootfs/id"}


def test_import_to_a_taken_alias(driver: Driver, files: Files) -> None:
    old = driver.create(files(1), aliases=["newimage", "image2"])
    with step("import-with-reuse-moves-the-alias"):
        if driver.newer:
            new = driver.create(files(2), aliases=["newimage"], reuse=True)
            assert (named(driver.server, "default", "newimage"), named(driver.server, "default", "image2")) == (
                new,
                old,
            )
    with step("import-to-a-project-that-is-not-there-is-refused"):
        with pytest.raises(REFUSED, match=r"[Pp]roject not found|no project|not found"):
            driver.within("nonexistingproject").create(files(3))
        with pytest.raises(REFUSED):
            driver.within("nonexistingproject").images()


def linked(name: str, target: str, *, regular: bool = False) -> bytes:
    """An image where something is a symbolic link, after a regular one of the same name if asked."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        document = factory.metadata_yaml(1)
        if regular or name != "metadata.yaml":
            member = tarfile.TarInfo("./metadata.yaml")
            member.size = len(document)
            archive.addfile(member, io.BytesIO(document))
        root = tarfile.TarInfo("./rootfs")
        root.type, root.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(root)
        link = tarfile.TarInfo(f"./{name}")
        link.type, link.linkname = tarfile.SYMTYPE, target
        archive.addfile(link)
    return buffer.getvalue()


def test_images_with_links(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    with step("metadata-yaml-that-is-a-link-is-refused"):
        path.write_bytes(linked("metadata.yaml", "/etc/hostname"))
        if isinstance(driver, ClientDriver):
            with pytest.raises(REFUSED, match=r"metadata\.yaml"):
                driver.create(path)
        else:
            assert isinstance(driver, CommandDriver)
            assert driver.cli.ended("image", "import", str(path)).returncode
        assert driver.server.get("images") == []
    if not isinstance(driver, ClientDriver):
        return
    problems = driver.client.images.check
    with step("rootfs-or-templates-that-are-a-link-are-not-followed"):
        for name in ("rootfs", "templates", "exec-output"):
            path.write_bytes(linked(name, str(tmp_path)))
            assert any(f"{name} is no folder in it but a symbolic link" in said for said in problems(path).problems)
    with step("a-second-metadata-or-backup-that-is-a-link-is-said"):
        for name in ("metadata.yaml", "backup.yaml"):
            path.write_bytes(linked(name, "/etc/hostname", regular=True))
            assert any(f"{name} is no file in it but a symbolic link" in said for said in problems(path).problems)


def test_prefixes(driver: Driver, files: Files) -> None:
    fingerprint = driver.create(files(1))
    with step("image-by-a-prefix-of-twelve"):
        assert driver.image(fingerprint[:12])["fingerprint"] == fingerprint
    with step("prefix-with-a-wildcard-is-refused"):
        if isinstance(driver, ClientDriver):
            for wrong in ("%", f"%{fingerprint[:11]}", f"{fingerprint}abc", "_" * 12):
                with pytest.raises(REFUSED):
                    driver.image(wrong)
