"""The steps of `remote.sh`: images copied, published and fetched between two servers and their projects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit import counts
from tests.kit.drivers import REFUSED, ClientDriver, CommandDriver, Driver, named
from tests.kit.steps import step

Files = Callable[..., Path]
MODES = ("pull", "push", "relay")


def modes(driver: Driver) -> tuple[str, ...]:
    """The ways to copy; of a command line, whose connections take their time, one unless in a long run."""
    return MODES if counts.long_run() or isinstance(driver, ClientDriver) else MODES[:1]


def test_copies_to_and_fro(driver: Driver, other: Driver, files: Files) -> None:
    fingerprint = driver.create(files(1, "foo.tar.gz"), public=True, aliases=["testimage"])
    with step("copy-with-aliases-and-public"):
        driver.copy("testimage", other, copy_aliases=True, public=True)
        found = other.image("testimage")
        assert (found["fingerprint"], found["public"]) == (fingerprint, True)
    with step("copy-back-with-aliases"):
        driver.delete(fingerprint)
        other.copy(fingerprint, driver, copy_aliases=True, public=True)
        assert driver.image("testimage")["fingerprint"] == fingerprint
        other.delete(fingerprint)
    with step("copy-by-fingerprint"):
        driver.copy(fingerprint, other)
        assert other.image(fingerprint)["aliases"] == []
        other.delete(fingerprint)
    with step("copy-by-short-fingerprint"):
        driver.copy(fingerprint[:12], other)
        assert other.image(fingerprint)["fingerprint"] == fingerprint
        other.delete(fingerprint)
    with step("copy-keeps-properties-and-file-name"):
        driver.set_property("testimage", "description", "of the source")
        driver.copy("testimage", other, aliases=["bar"])
        assert other.get_property("bar", "description") == "of the source"
        if isinstance(driver, ClientDriver):
            assert other.image("bar")["filename"] == "foo.tar.gz"
    with step("copied-image-is-not-cached-and-has-its-alias"):
        assert other.image("bar")["cached"] is False
        assert [alias["name"] for alias in other.image("bar")["aliases"]] == ["bar"]
    with step("property-of-a-copy-is-its-own"):
        other.set_property("bar", "description", "TEST")
        other.server.add_project("foo")
        driver.copy("testimage", other.within("foo"), aliases=["bar"])
        assert other.within("foo").get_property("bar", "description") == "of the source"
        assert other.get_property("bar", "description") == "TEST"
    with step("copy-of-a-private-image"):
        driver.edit("testimage", public=False)
        other.delete("bar")
        driver.copy("testimage", other)
        assert other.image(fingerprint)["public"] is False


def test_other_ways_to_copy(driver: Driver, other: Driver, files: Files) -> None:
    fingerprint = driver.create(files(1), aliases=["testimage", "foo"])
    for mode in [mode for mode in modes(driver) if mode != "pull"] or ["push"]:
        with step("other-modes-private-and-without-aliases"):
            driver.copy(fingerprint, other, mode=mode)
            assert other.image(fingerprint)["public"] is False
            assert other.aliases() == {}
            other.delete(fingerprint)
        with step("other-modes-public-and-with-aliases"):
            driver.copy(fingerprint, other, mode=mode, copy_aliases=True, public=True)
            assert other.image("foo")["public"] is True
            other.delete(fingerprint)
        with step("other-modes-with-aliases-and-one-more"):
            driver.copy(fingerprint, other, mode=mode, copy_aliases=True, aliases=["bar"])
            assert set(other.aliases()) == {"testimage", "foo", "bar"}
            other.delete(fingerprint)


def test_copies_between_projects(driver: Driver, other: Driver, files: Files) -> None:
    fingerprint = driver.create(files(1), aliases=["testimage"])
    other.server.add_project("foo")
    driver.server.add_project("p1")
    for mode in modes(driver):
        with step("copy-to-a-project-of-the-other-server"):
            driver.copy(fingerprint, other.within("foo"), mode=mode)
            assert other.within("foo").image(fingerprint)["fingerprint"] == fingerprint
            assert other.images() == []
            other.within("foo").delete(fingerprint)
    with step("copy-to-a-project-of-the-same-server"):
        driver.copy("testimage", driver.within("p1"), copy_aliases=True)
        assert named(driver.server, "p1", "testimage") == fingerprint
        driver.delete("testimage")
        assert driver.within("p1").image("testimage")["fingerprint"] == fingerprint
    with step("copy-from-a-project-to-a-project"):
        driver.within("p1").copy("testimage", other.within("foo"), copy_aliases=True)
        assert other.within("foo").image("testimage")["fingerprint"] == fingerprint


def test_a_copy_with_profiles(driver: Driver, other: Driver, files: Files) -> None:
    if isinstance(driver, CommandDriver) and not driver.newer:
        return  # lxc 5.0.2 has no --profile
    fingerprint = driver.create(files(1))
    for server in (driver.server, other.server):
        assert server.raw("POST", "/1.0/profiles", json={"name": "foo", "config": {}, "devices": {}}).status == 201
    for mode in modes(driver):
        with step("copy-with-a-profile"):
            if isinstance(driver, CommandDriver):
                driver("image", "copy", fingerprint, "other:", "--profile", "foo", "--mode", mode)
            else:
                # The client copies the profiles of the image.
                driver.edit(fingerprint, profiles=["foo"])
                driver.copy(fingerprint, other, mode=mode)
            assert other.image(fingerprint)["profiles"] == ["foo"]
            other.delete(fingerprint)


def test_what_is_public_needs_no_certificate(driver: Driver, files: Files, tmp_path: Path) -> None:
    import lxdimg_nb
    from tests.kit import certificates
    from tests.kit.demo_http import ask

    url = driver.server.listen()
    driver.server.add_instance("pub", driver.create(files(1)))
    with step("publish-with-a-property-and-public"):
        public = driver.publish("pub", aliases=["bar"], public=True, properties={"a": "b"})
        assert driver.get_property("bar", "a") == "b"
        assert driver.image("bar")["public"] is True
    with step("public-server-without-a-certificate"):
        assert ask(url, "GET", "/1.0/images/aliases/bar").metadata["target"] == public
        with lxdimg_nb.connect(url, server_cert=certificates.of_server(url)) as stranger:
            assert [image.fingerprint for image in stranger.images.all()] == [public]
            assert stranger.images.get("bar").export(tmp_path).path.exists()
            with pytest.raises(REFUSED):
                stranger.images.get("bar").delete()
