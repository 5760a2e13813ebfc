"""What people do with pylxd's images works here after a change of names, shown beside pylxd itself.

Each scenario is what pylxd's integration tests for images try (integration/test_images.py, in our own words),
and runs with pylxd, so that the scenario is true to it, and with this client behind `Shim`; on a real LXD, and on the
demo server, which pylxd cannot tell from one.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

import lxdimg_nb
from lxdimg_nb.errors import NotFoundError
from tests.kit import factory
from tests.kit.servers import RunningServer


class Shim:
    """A `pylxd.Client` as far as images go: names and defaults, nothing else."""

    def __init__(self, client: lxdimg_nb.Client) -> None:
        self.images = ShimImages(client.images)


class ShimImages:
    def __init__(self, images: Any) -> None:
        self._images = images

    def get(self, fingerprint: str) -> ShimImage:
        return ShimImage(self._images.get(fingerprint))

    def get_by_alias(self, alias: str) -> ShimImage:
        return ShimImage(self._images.get_by_alias(alias))

    def exists(self, fingerprint: str, alias: bool = False) -> bool:
        found: bool = self._images.exists(fingerprint, alias=alias)
        return found

    def all(self) -> list[ShimImage]:
        return [ShimImage(image) for image in self._images.all()]

    def create(self, image_data: Any, metadata: Any = None, public: bool = False, wait: bool = True) -> ShimImage:
        return ShimImage(self._images.create(image_data, public, wait, metadata=metadata))


class ShimImage:
    def __init__(self, image: Any) -> None:
        object.__setattr__(self, "_image", image)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._image, name)
        if name == "aliases":
            return [{"name": alias.name, "description": alias.description} for alias in value]
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._image, name, value)

    def save(self, wait: bool = False) -> None:  # noqa: ARG002 - it always waits
        self._image.save()

    def sync(self) -> None:
        self._image.reload()

    def export(self) -> io.BytesIO:
        return io.BytesIO(self._image.export())

    def copy(self, new_client: Shim, public: bool | None = None, auto_update: bool = False, wait: bool = False) -> None:  # noqa: ARG002
        self._image.copy(new_client.images._images, public=public, auto_update=auto_update)


@pytest.fixture(params=["demo", pytest.param("lxd", marks=pytest.mark.real)])
def server(request: pytest.FixtureRequest) -> RunningServer:
    running = request.getfixturevalue(request.param)
    assert isinstance(running, RunningServer)
    return running


@pytest.fixture(params=["pylxd", "shim"])
def library(request: pytest.FixtureRequest, server: RunningServer) -> Iterator[tuple[Any, type[Exception]]]:
    """A client, and what it raises for what is not there."""
    if request.param == "shim":
        with lxdimg_nb.connect(server.url) as client:
            yield Shim(client), NotFoundError
        return
    import pylxd

    with warnings.catch_warnings():
        # pylxd says so of every attribute that LXD has and it does not know, and leaves its sockets to the collector.
        warnings.simplefilter("ignore")
        client = pylxd.Client(endpoint=f"http+unix://{quote(str(server.socket), safe='')}")
        yield client, pylxd.exceptions.NotFound
        client.api.session.close()


@pytest.fixture
def client(library: tuple[Any, type[Exception]]) -> Any:
    return library[0]


@pytest.fixture
def not_found(library: tuple[Any, type[Exception]]) -> type[Exception]:
    return library[1]


def test_an_image_is_found_by_its_fingerprint(server: RunningServer, client: Any) -> None:
    fingerprint = server.add_image(factory.small(1))

    image = client.images.get(fingerprint)

    assert image.fingerprint == fingerprint
    assert image.size == len(factory.small(1))
    assert image.properties["os"] == factory.properties(1)["os"]


def test_all_images_are_listed(server: RunningServer, client: Any) -> None:
    names = {server.add_image(factory.small(i)) for i in range(3)}

    assert {image.fingerprint for image in client.images.all()} == names


@pytest.mark.parametrize("public", [False, True])
def test_an_image_is_made_of_bytes(server: RunningServer, client: Any, public: bool) -> None:
    data = factory.small(2)

    image = client.images.create(data, public=public, wait=True)

    assert image.fingerprint == hashlib.sha256(data).hexdigest()
    assert server.get(f"images/{image.fingerprint}")["public"] is public


def test_a_split_image_is_made_of_two_files(server: RunningServer, client: Any) -> None:
    metadata, rootfs = factory.split(3)

    image = client.images.create(rootfs, metadata=metadata, wait=True)

    assert image.fingerprint == hashlib.sha256(metadata + rootfs).hexdigest()
    assert server.get(f"images/{image.fingerprint}")["type"] == "container"


def test_a_property_and_a_flag_are_changed_and_saved(server: RunningServer, client: Any) -> None:
    fingerprint = server.add_image(factory.small(4))
    image = client.images.get(fingerprint)

    image.properties["description"] = "a description"
    image.public = True
    image.save(wait=True)

    raw = server.get(f"images/{fingerprint}")
    assert raw["properties"]["description"] == "a description"
    assert raw["properties"]["os"] == factory.properties(4)["os"]
    assert raw["public"] is True


def test_an_image_that_was_changed_elsewhere_can_be_read_again(server: RunningServer, client: Any) -> None:
    fingerprint = server.add_image(factory.small(4))
    image = client.images.get(fingerprint)
    server.raw("PATCH", f"/1.0/images/{fingerprint}", json={"public": True})

    assert image.public is False
    image.sync()
    assert image.public is True


def test_a_deleted_image_is_gone(server: RunningServer, client: Any, not_found: type[Exception]) -> None:
    fingerprint = server.add_image(factory.small(5))

    client.images.get(fingerprint).delete(wait=True)

    with pytest.raises(not_found):
        client.images.get(fingerprint)
    assert not client.images.exists(fingerprint)
    assert server.get("images") == []


def test_an_export_reads_like_a_file_of_the_same_bytes(server: RunningServer, client: Any) -> None:
    data = factory.small(6)
    fingerprint = server.add_image(data)

    with client.images.get(fingerprint).export() as file:
        content = file.read()

    assert content == data
    assert hashlib.sha256(content).hexdigest() == fingerprint


def test_aliases_come_and_go(server: RunningServer, client: Any, not_found: type[Exception]) -> None:
    fingerprint = server.add_image(factory.small(7))
    image = client.images.get(fingerprint)

    image.add_alias("web", "for the web")
    image.sync()

    assert {"name": "web", "description": "for the web"} in [
        {"name": a["name"], "description": a["description"]} for a in image.aliases
    ]
    assert client.images.get_by_alias("web").fingerprint == fingerprint
    assert client.images.exists("web", alias=True)
    image.delete_alias("web")
    assert not client.images.exists("web", alias=True)
    with pytest.raises(not_found):
        client.images.get_by_alias("web")


def test_what_is_not_there_is_not_found(server: RunningServer, client: Any, not_found: type[Exception]) -> None:
    with pytest.raises(not_found):
        client.images.get("0" * 64)
    with pytest.raises(not_found):
        client.images.get_by_alias("nothing")
    assert not client.images.exists("0" * 64)
    assert not client.images.exists("nothing", alias=True)


def test_an_image_is_copied_to_another_server(lxd: RunningServer, tmp_path: Any) -> None:
    from pathlib import Path
    from tempfile import mkdtemp

    from tests.kit import servers

    fingerprint = lxd.add_image(factory.small(8), public=True)
    lxd.listen()
    other = servers.start_lxd(Path(mkdtemp(prefix="lxi-lxd-", dir="/tmp")))
    try:
        with lxdimg_nb.connect(lxd.url) as source, lxdimg_nb.connect(other.url) as target:
            Shim(source).images.get(fingerprint).copy(Shim(target), wait=True)

        assert other.get(f"images/{fingerprint}")["public"] is True
    finally:
        other.remove()
