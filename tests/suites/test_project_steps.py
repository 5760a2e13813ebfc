"""The steps of `projects.sh`, `image_profiles.sh` and `tls_restrictions.sh` that touch images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from tests.kit import certificates, factory
from tests.kit.drivers import REFUSED, ClientDriver, Driver, named
from tests.kit.servers import POOL, RunningServer
from tests.kit.steps import step
from tests.suites.test_cached_steps import pull

Files = Callable[..., Path]


def add_project(server: RunningServer, name: str, **config: str) -> None:
    """Create a project whose configuration keys have underscores in place of dots."""
    document = {"name": name, "config": {key.replace("_", "."): value for key, value in config.items()}}
    reply = server.raw("POST", "/1.0/projects", json=document)
    assert reply.status == 201, reply.body


def add_instance(server: RunningServer, fingerprint: str, project: str, pool: str = POOL) -> dict[str, Any]:
    """Make the instance c1 with the profiles of its image, which is what no profiles in a request mean."""
    if f"/1.0/storage-pools/{pool}" not in (server.get("storage-pools") or []):
        server.raw("POST", "/1.0/storage-pools", json={"name": pool, "driver": "dir"})
    document = {
        "name": "c1",
        "source": {"type": "image", "fingerprint": fingerprint},
        "devices": {"root": {"type": "disk", "path": "/", "pool": pool}},
    }
    server.wait(server.raw("POST", f"/1.0/instances?project={project}", json=document))
    made: dict[str, Any] = server.get(f"instances/c1?project={project}")
    server.wait(server.raw("DELETE", f"/1.0/instances/c1?project={project}"))
    return made


PROJECTS = {
    "default": None,
    "images-and-profiles": {"features_images": "true", "features_profiles": "true"},
    "images": {"features_images": "true", "features_profiles": "false"},
    "profiles": {"features_images": "false", "features_profiles": "true"},
}


def test_profiles_of_images(driver: Driver, files: Files) -> None:
    server = driver.server
    for number, (name, config) in enumerate(PROJECTS.items()):
        within = driver
        if config is not None:
            add_project(server, name, **config)
            within = driver.within(name)
        where = f"?project={within.project}"
        # Of an image of the default project, an instance gets no profile of a project with profiles of its own.
        foreign = ["default"] if name == "profiles" else None
        fingerprint = within.create(files(number), aliases=["testimage"])
        with step("profile-default-unless-told"):
            assert within.image("testimage")["profiles"] == ["default"]
            assert add_instance(server, fingerprint, within.project)["profiles"] == ["default"]
        with step("profiles-emptied"):
            within.edit("testimage", profiles=[])
            assert within.image("testimage")["profiles"] == []
            assert add_instance(server, fingerprint, within.project)["profiles"] == (foreign or [])
        with step("profiles-chosen"):
            for profile in ("p1", "p2"):
                reply = server.raw("POST", f"/1.0/profiles{where}", json={"name": profile})
                # In a project without its own they are those of default, and there already.
                assert reply.status in (201, 409, 500), reply.body
            within.edit("testimage", profiles=["p1", "p2"])
            assert within.image("testimage")["profiles"] == ["p1", "p2"]
            made = add_instance(server, fingerprint, within.project)
            assert made["profiles"] == (foreign or ["p1", "p2"])
        within.delete("testimage")


def test_images_of_a_project(driver: Driver, files: Files) -> None:
    server = driver.server
    with step("project-has-images-of-its-own-by-default"):
        add_project(server, "foo")
        assert server.get("projects/foo")["config"]["features.images"] == "true"
    foo = driver.within("foo")
    with step("image-of-a-project-is-not-in-default"):
        fingerprint = foo.create(files(1))
        assert driver.images() == []
        foo.delete(fingerprint)
    with step("alias-of-a-project-is-not-in-default"):
        foo.create(files(1), aliases=["foo-image"])
        assert (set(foo.aliases()), set(driver.aliases())) == ({"foo-image"}, set())
    with step("same-image-in-default-has-its-own-aliases"):
        driver.create(files(1), aliases=["testimage"])
        assert (set(foo.aliases()), set(driver.aliases())) == ({"foo-image"}, {"testimage"})
    with step("alias-renamed-to-one-of-default"):
        foo.rename_alias("foo-image", "testimage")
        foo.add_alias("egg-image", fingerprint)
        foo.delete_alias("testimage")
        assert (set(foo.aliases()), set(driver.aliases())) == ({"egg-image"}, {"testimage"})
    with step("project-in-use-is-not-deleted"):
        assert server.raw("DELETE", "/1.0/projects/foo").status in (400, 500)
        assert f"/1.0/images/{fingerprint}" in str(server.get("projects/foo")["used_by"])
        assert server.get("projects/default")["used_by"]
    with step("project-deleted-with-its-image"):
        foo.delete("egg-image")
        assert server.raw("DELETE", "/1.0/projects/foo").status == 200
        assert driver.image("testimage")["fingerprint"] == fingerprint
    with step("features-are-not-changed-while-images-are-there"):
        add_project(server, "bar")
        driver.within("bar").create(files(2))
        config = server.get("projects/bar")["config"] | {"features.images": "false"}
        assert server.raw("PUT", "/1.0/projects/bar", json={"config": config, "description": ""}).status == 400


def test_images_of_the_default_project_in_others(driver: Driver, files: Files) -> None:
    server = driver.server
    driver.create(files(1), aliases=["testimage"])
    for name in ("foo", "bar"):
        add_project(server, name, features_images="false")
    foo, bar = driver.within("foo"), driver.within("bar")
    with step("images-of-default-are-seen-in-a-project-without-its-own"):
        assert foo.image("testimage")["profiles"] == ["default"]
        assert [image["fingerprint"] for image in foo.images()] == [named(server, "default", "testimage")]
    with step("images-of-default-can-be-deleted-there"):
        foo.delete("testimage")
        assert driver.images() == []
    with step("import-there-shows-in-default"):
        fingerprint = foo.create(files(2), aliases=["foo-image"])
        assert driver.image("foo-image")["fingerprint"] == fingerprint
    with step("and-in-the-other-such-project"):
        assert bar.image("foo-image")["profiles"] == ["default"]
        bar.delete("foo-image")
        assert foo.images() == driver.images() == []
    with step("publish-there-is-published-in-default"):
        image = driver.create(files(3))
        server.add_instance("box", image, project="foo")
        if isinstance(driver, ClientDriver):
            made = foo.publish("box", aliases=["packed"])
            assert named(server, "default", "packed") == made


def test_limits(driver: Driver, other: Driver, files: Files) -> None:
    server = driver.server
    add_project(server, "p1", features_images="true", limits_disk="64KiB")
    within = driver.within("p1")
    with step("upload-over-the-limit-is-refused"):
        large = files(1, rootfs_files={"noise": factory.Payload(3 << 20, 1).read()})
        with pytest.raises(REFUSED, match="exceeding quota"):
            within.create(large)
        assert within.images() == []
    with step("upload-within-the-limit"):
        fingerprint = within.create(files(2))
        assert [image["fingerprint"] for image in within.images()] == [fingerprint]
    with step("publish-over-the-limit-is-refused"):
        if isinstance(driver, ClientDriver):
            server.add_instance("c1", fingerprint, project="p1", size="63KiB")
            with pytest.raises(REFUSED, match="exceeding quota"):
                within.publish("c1", compression="none")
            assert [image["fingerprint"] for image in within.images()] == [fingerprint]
    with step("download-for-an-instance-over-the-limit-is-refused"):
        if isinstance(driver, ClientDriver):
            other.create(large, aliases=["large"], public=True)
            said = pull(server, other.server, "c3", "p1", alias="large", size="1KiB", ok=False)
            assert "exceeds allowed" in said
            assert [image["fingerprint"] for image in within.images()] == [fingerprint]
    with step("settings-of-a-project-are-checked"):
        wrong = ({"garbage": "xxx"}, {"limits.disk": "many"}, {"limits.containers": "xxx"}, {"restricted": "perhaps"})
        images = ({"images.remote_cache_expiry": "x"}, {"images.compression_algorithm": "ls"}, {"images.bogus": "1"})
        for config in (*wrong, *images, {"images.auto_update_cached": "perhaps"}, {"images.default_architecture": "x"}):
            reply = server.raw("POST", "/1.0/projects", json={"name": "p2", "config": config})
            assert reply.status == 400, (config, reply.body)


@pytest.mark.parametrize("driver", ["demo", pytest.param("lxd", marks=pytest.mark.real)], indirect=True)
def test_a_certificate_for_one_project(driver: ClientDriver, files: Files, tmp_path: Path) -> None:
    server, url = driver.server, driver.server.listen()
    fingerprint = driver.create(files(1), aliases=["testimage"])
    add_project(server, "blah")
    pair = certificates.restricted(server, tmp_path, "blah")
    pinned = {"cert": pair, "server_cert": certificates.of_server(url)}
    with lxdimg_nb.connect(url, project="blah", **pinned) as client:
        own = ClientDriver(server, client, "blah")
        with step("restricted-sees-no-private-image-of-default"):
            assert own.images() == []
            with pytest.raises(REFUSED):
                lxdimg_nb.connect(url, **pinned).images.get("testimage")
        with step("restricted-sees-and-exports-a-public-image-of-default"):
            driver.edit("testimage", public=True)
            shown = server.raw("GET", f"/1.0/images/{fingerprint}")
            assert shown.status == 200
            (tmp_path / "out").mkdir()
            with lxdimg_nb.connect(url, server_cert=pinned["server_cert"]) as stranger:
                assert stranger.images.get("testimage").export(tmp_path / "out").fingerprint == fingerprint
        with step("restricted-gets-a-copy-of-it-and-an-alias"):
            own.create(next((tmp_path / "out").iterdir()))
            own.add_alias("testimage", fingerprint)
            driver.edit("testimage", public=False)
            assert own.image("testimage")["public"] is False
        with step("restricted-edits-and-deletes-in-its-project"):
            own.set_property("testimage", "requirements.secureboot", "true")
            own.unset_property("testimage", "requirements.secureboot")
            own.delete("testimage")
            assert own.images() == []
            assert driver.image("testimage")["fingerprint"] == fingerprint
        with step("restricted-changes-nothing-in-default"):
            with pytest.raises(REFUSED):
                client.in_project("default").images.get(fingerprint)
            assert named(server, "default", "testimage") == fingerprint
