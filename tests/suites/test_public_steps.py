"""The steps of `image.sh` about who may see what without trust, and of the settings that images obey."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kit import certificates, counts
from tests.kit.demo_http import Said, ask
from tests.kit.drivers import REFUSED, ClientDriver, Driver
from tests.kit.servers import RunningServer
from tests.kit.steps import step
from tests.kit.waiting import until

Files = Callable[..., Path]
CLIENTS = ["demo", *(pytest.param(name, marks=pytest.mark.real) for name in ("lxd", "incus"))]


def strangers(server: RunningServer, folder: Path) -> dict[str, Callable[[str], Said]]:
    """Who asks without trust: nobody, and a certificate that is trusted for no project."""
    url = server.listen()
    pair = tuple(map(str, certificates.restricted(server, folder, "elsewhere")))
    return {
        "nobody": lambda path: ask(url, "GET", path),
        "restricted": lambda path: ask(url, "GET", path, cert=pair),  # type: ignore[arg-type]
    }


@pytest.mark.parametrize("driver", CLIENTS, indirect=True)
def test_what_strangers_see(driver: ClientDriver, files: Files, tmp_path: Path) -> None:
    server = driver.server
    for name in ("foo", "elsewhere"):
        server.add_project(name)
    path = files(1)
    fingerprint = driver.create(path, aliases=["default-img"])
    driver.within("foo").create(path, aliases=["foo-img"])
    image = f"/1.0/images/{fingerprint}"
    for who, get in strangers(server, tmp_path).items():
        # Incus 6.0.4 shows a certificate for one project what others hold, by fingerprint and in lists of all.
        leaks = (server.kind, who) == ("incus", "restricted")
        with step("stranger-lists-no-private-image"):
            for query in ("", "?project=default", "?recursion=1", "?recursion=1&project=default"):
                assert get(f"/1.0/images{query}").metadata == [], (who, query)
        with step("stranger-lists-nothing-of-other-projects"):
            for query in ("?project=foo", "?recursion=1&project=foo", "?all-projects=true&recursion=1"):
                said = get(f"/1.0/images{query}")
                assert said.status >= 400 or leaks or fingerprint not in str(said.metadata), (who, query)
        with step("stranger-reads-no-alias"):
            for name in ("default-img", "foo-img?project=foo", "foo-img?project=bar"):
                assert get(f"/1.0/images/aliases/{name}").status >= 400, (who, name)
        with step("stranger-reads-and-exports-no-private-image"):
            for query in ("", "?project=foo", "?project=bar", "?secret=bar", "?project=foo&secret=bar"):
                for path_of in (image, f"{image}/export"):
                    assert get(f"{path_of}{query}").status in (403, 404) or leaks, (who, query)
        with step("stranger-reads-and-exports-with-a-secret"):
            for project in ("default", "foo"):
                secret = driver.within(project).client.images.get(fingerprint).secret()
                said = get(f"{image}?project={project}&secret={secret}")
                assert said.metadata["fingerprint"] == fingerprint
                assert get(f"{image}/export?project={project}&secret={secret}").body == path.read_bytes()
        if counts.long_run():
            with step("secret-is-forgotten-after-its-use"):
                assert until(lambda: get(f"{image}?project=foo&secret={secret}").status >= 400, timeout=60)  # noqa: B023
        with step("stranger-sees-and-exports-what-became-public"):
            driver.edit(fingerprint, public=True)
            for query in ("", "?project=default"):
                assert get(f"/1.0/images{query}").metadata == [image]
                assert get(f"{image}/export{query}").body == path.read_bytes()
            assert get("/1.0/images/aliases/default-img").metadata["target"] == fingerprint
            assert get(f"/1.0/images/{fingerprint[:12]}").metadata["fingerprint"] == fingerprint
        with step("public-in-default-is-not-public-in-another-project"):
            assert get(f"{image}?project=foo").status in (400, 403, 404), who
            assert get(f"{image}/export?project=foo").status in (400, 403, 404), who
        driver.edit(fingerprint, public=False)


def test_settings_that_publishing_obeys(driver: Driver, files: Files, tmp_path: Path) -> None:
    server = driver.server
    server.add_instance("c1", driver.create(files(1)))
    (tmp_path / "out").mkdir()

    def configure(value: str) -> Any:
        return server.raw("PATCH", "/1.0", json={"config": {"images.compression_algorithm": value}})

    kinds = {"none": ".tar", "xz": ".xz", "zstd -3": ".zst", "squashfs": ".squashfs", "bzip2 -9": ".bz2", "": ".gz"}
    for value, suffix in kinds.items():
        with step("compression-is-the-server's"):
            assert configure(value).status == 200
            fingerprint = driver.publish("c1")
            (exported,) = driver.export(fingerprint, tmp_path / "out")
            assert exported.suffix == suffix, value
            exported.unlink()
        if value == "none":
            with step("compression-asked-for-wins"):
                other = driver.publish("c1", compression="gzip")
                (exported,) = driver.export(other, tmp_path / "out")
                assert exported.suffix == ".gz"
                exported.unlink()
                driver.delete(other)
        driver.delete(fingerprint)
    with step("compression-unknown-to-the-server-is-refused"):
        assert configure("ls").status == 400
    with step("architecture-unknown-to-the-server-is-refused"):
        for value, status in (("bogus", 400), ("aarch64", 200), ("", 200)):
            assert server.raw("PATCH", "/1.0", json={"config": {"images.default_architecture": value}}).status == status


def test_what_cannot_be_published(driver: Driver, files: Files) -> None:
    driver.server.add_instance("c1", driver.create(files(1)))
    with step("publish-of-what-is-not-there-is-refused"):
        for name in ("c2", "c1/snap0"):
            with pytest.raises(REFUSED):
                driver.publish(name)
        assert len(driver.images()) == 1
    if driver.server.kind == "demo":
        state = {"action": "start", "timeout": 30}
        driver.server.wait(driver.server.raw("PUT", "/1.0/instances/c1/state", json=state))
        with step("publish-of-what-runs-is-refused"):
            with pytest.raises(REFUSED):
                driver.publish("c1")
            assert len(driver.images()) == 1
        with step("publish-by-force-stops-and-starts-it-again"):
            driver.publish("c1", aliases=["image1"], stop=True)
            assert driver.server.get("instances/c1")["status"] == "Running"
            assert driver.image("image1")["aliases"]
