"""The steps of `image_auto_update.sh`, `image_prefer_cached.sh` and, of `image.sh`, expiry and refresh.

A second server offers the images that the first fetches for an instance, keeps current, and forgets again.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kit.drivers import REFUSED, ClientDriver, CommandDriver, Driver
from tests.kit.servers import POOL, RunningServer
from tests.kit.steps import step
from tests.kit.waiting import until

Files = Callable[..., Path]
LONG_AGO = "2020-01-01T00:00:00Z"


def init(driver: Driver, other: Driver, alias: str, name: str) -> None:
    """Make an instance of an image of the other server: `lxc init other:alias name`."""
    if isinstance(driver, CommandDriver):
        # The option --project would be that of both servers.
        driver.cli("project", "switch", driver.project)
        driver.cli("init", f"{other.remote}:{alias}", name)  # type: ignore[attr-defined]
        driver.cli("project", "switch", "default")
        return
    pull(driver.server, other.server, name, driver.project, alias=alias)


def pull(
    server: RunningServer,
    source: RunningServer,
    name: str,
    project: str,
    *,
    alias: str,
    size: str = "",
    ok: bool = True,
) -> str:
    """The request behind it, with a root disk on the pool that the tests share; returns why it failed."""
    if f"/1.0/storage-pools/{POOL}" not in (server.get("storage-pools") or []):
        server.raw("POST", "/1.0/storage-pools", json={"name": POOL, "driver": "dir"})
    demo = source.demo
    origin = {"server": demo.https_url, "protocol": demo.product, "certificate": demo.certificate}
    document: dict[str, Any] = {
        "name": name,
        "source": {"type": "image", "mode": "pull", **origin, "alias": alias},
        "profiles": [],
        "devices": {"root": {"type": "disk", "path": "/", "pool": POOL} | ({"size": size} if size else {})},
    }
    return str(server.wait(server.raw("POST", f"/1.0/instances?project={project}", json=document), ok=ok)["err"])


def last_used_long_ago(server: RunningServer) -> None:
    """Put back when each image was used, as the suites do: behind the server's back."""
    if server.demo is not None:
        server.demo.in_loop(
            lambda daemon: [
                daemon.images.update(image, last_used_at=LONG_AGO)
                for project in ("default", "p1")
                for image in daemon.images.of_project(project)
            ]
        )
        return
    command = {"lxd": ["lxd", "sql"], "incus": ["incus", "admin", "sql"]}[server.kind]
    variable = {"lxd": "LXD_DIR", "incus": "INCUS_DIR"}[server.kind]
    query = f"UPDATE images SET last_use_date='{LONG_AGO}'"  # noqa: S608 - the date is ours
    environment = os.environ | {variable: str(server.folder)}
    subprocess.run([*command, "global", query], env=environment, check=True, capture_output=True)


def configure(server: RunningServer, days: str) -> None:
    """Set, or with an empty text unset, how long cached images are kept."""
    assert server.raw("PATCH", "/1.0", json={"config": {"images.remote_cache_expiry": days}}).status == 200


def file_is_there(server: RunningServer, fingerprint: str) -> bool:
    """Whether the server still has the file of an image."""
    return server.demo is not None or (server.folder / "images" / fingerprint).exists()


def held(driver: Driver) -> set[str]:
    """The fingerprints that the driver lists."""
    return {image["fingerprint"] for image in driver.images()}


def test_cached_images_are_preferred_and_kept_current(driver: Driver, other: Driver, files: Files) -> None:
    old = other.create(files(1), aliases=["testimage"], public=True)
    with step("instance-caches-the-image"):
        init(driver, other, "testimage", "c1")
        found = driver.image(old)
        assert (found["cached"], found["aliases"]) == (True, [])
        assert found["last_used_at"] > "2026"
    with step("cached-image-knows-its-alias-at-the-source"):
        assert found["update_source"]["alias"] == "testimage"
        assert found["auto_update"] is True
        if isinstance(driver, ClientDriver):
            (row,) = driver.client.images.df().itertuples()
            assert row.cached
            assert driver.client.images.df()["source.alias"].to_list() == ["testimage"]
    with step("source-replaces-the-image"):
        other.delete("testimage")
        new = other.create(files(2), aliases=["testimage"], public=True)
        assert new != old
    with step("cached-image-is-preferred-to-a-newer-one"):
        init(driver, other, "testimage", "c2")
        assert held(driver) == {old}
        assert driver.server.get("instances/c2")["config"]["volatile.base_image"] == old
    with step("auto-update-replaces-the-cached-image"):
        if driver.server.demo is not None:
            assert driver.server.demo.auto_update() == 1
        else:
            driver.server.restart()  # it looks at once
        assert until(lambda: held(driver) == {new}, timeout=60)
        found = driver.image(new)
        assert (found["cached"], found["update_source"]["alias"]) == (True, "testimage")
    with step("updated-image-deleted-afterwards"):
        driver.delete(new)
        assert held(driver) == set()
        assert driver.server.get("instances/c1")["status"] == "Stopped"


def test_cached_images_expire(driver: Driver, other: Driver, files: Files, tmp_path: Path) -> None:
    server = driver.server
    fingerprint = other.create(files(1), aliases=["testimage"], public=True)
    server.add_project("p1")
    within = driver.within("p1")
    with step("instances-in-two-projects-cache-it-in-both"):
        init(driver, other, "testimage", "c1")
        init(within, other, "testimage", "c2")
        assert held(driver) == held(within) == {fingerprint}
    with step("expiry-date-is-never-and-can-be-set"):
        assert driver.image(fingerprint)["expires_at"][:4] in ("0001", "1970")
        driver.edit(fingerprint, expires_at="3000-01-01T00:00:00Z")
        assert driver.image(fingerprint)["expires_at"].startswith("3000-01-01T00:00:00")
    with step("unused-cached-image-is-pruned"):
        last_used_long_ago(server)
        init(within, other, "testimage", "c3")
        configure(server, "1")
        assert until(lambda: held(driver) == set())
    with step("pruned-in-one-project-kept-in-the-other"):
        assert held(within) == {fingerprint}
        with pytest.raises(REFUSED):
            driver.image(fingerprint)
    with step("instance-from-what-the-other-project-keeps"):
        # LXD 5.0.2 has deleted the file of both records.
        if file_is_there(server, fingerprint):
            init(within, other, "testimage", "c4")
            assert held(within) == {fingerprint}
        else:
            assert server.kind == "lxd"
            with pytest.raises(REFUSED, match="could not read its file; if that stays so, delete the image"):
                within.export(fingerprint, tmp_path)
    with step("expiry-of-a-project-of-its-own"):
        config = server.get("projects/p1")["config"] | {"images.remote_cache_expiry": "1"}
        assert server.raw("PUT", "/1.0/projects/p1", json={"description": "", "config": config}).status == 200
        last_used_long_ago(server)
        configure(server, "")
        assert until(lambda: held(within) == set())
    with step("copied-image-is-not-cached-and-stays"):
        other.copy("testimage", within)
        assert within.image(fingerprint)["cached"] is False
        init(driver, other, "testimage", "c5")
        assert driver.image(fingerprint)["cached"] is True
        last_used_long_ago(server)
        configure(server, "1")
        assert until(lambda: held(driver) == set())
        assert held(within) == {fingerprint}
    with step("file-stays-while-another-project-needs-it"):
        # LXD 5.0.2 and Incus 6.0.4 have deleted it.
        if server.kind == "demo":
            server.add_instance("c6", fingerprint, project="p1")
        else:
            assert not file_is_there(server, fingerprint)
            with pytest.raises(REFUSED, match="could not read its file; if that stays so, delete the image"):
                within.export(fingerprint, tmp_path)
    configure(server, "")


def test_refresh(driver: Driver, other: Driver, files: Files) -> None:
    old = driver.create(files(1))
    with step("refresh-copied-to-the-source-as-public"):
        driver.copy(old, other, aliases=["testimage"], public=True)
        assert other.image("testimage")["public"] is True
        driver.delete(old)
    with step("refresh-alias-of-the-received-image"):
        init(driver, other, "testimage", "c1")
        driver.add_alias("testimage", old)
    with step("refresh-source-publishes-a-newer-one"):
        other.server.add_instance("c1", old)
        newer = other.publish("c1", aliases=["testimage"], public=True, reuse=other.newer, properties={"n": "2"})
        assert newer != old
        assert driver.image(old)["fingerprint"] == old
    with step("refresh-replaces-the-image"):
        driver.refresh("testimage")
        assert held(driver) == {newer}
        assert driver.aliases() == {"testimage": newer}
    with step("refresh-again-changes-nothing"):
        driver.refresh("testimage")
        assert held(driver) == {newer}
