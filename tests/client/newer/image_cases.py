"""What a client meets where a fact about images holds, and where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lxdimg_nb import Client
from lxdimg_nb.errors import (
    InvalidRequestError,
    LxdImageError,
    NotFoundError,
)
from tests.client.newer.cases import (
    WEB,
    case,
    in_two_projects,
    stranger,
)
from tests.kit import factory
from tests.kit.demo_http import ask
from tests.kit.newer import speaks
from tests.kit.servers import RunningServer


@case("ALL_PROJECTS")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    in_two_projects(server)

    found = client.images.all(all_projects=True)
    listed = server.get("images?recursion=1&all-projects=true")

    assert sorted(image.project for image in found) == ["default", "web"]
    assert [image.get("project") for image in sorted(listed, key=lambda one: str(one.get("project")))] == (
        ["default", "web"] if holds else [None]
    )
    assert len(client.images.df(all_projects=True)) == 2


@case("PROJECT_IN_URLS")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    in_two_projects(server)

    urls = server.get("images?all-projects=true")

    assert any(url.endswith("?project=web") for url in urls) is holds
    assert len(client.images.all(all_projects=True)) == 2


@case("UNTRUSTED_DEFAULT_ONLY", "UNTRUSTED_REFUSED")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    in_two_projects(server)

    with stranger(server) as unknown:
        assert len(unknown.images.all()) == 1
        status = ask(server.listen(), "GET", "/1.0/images?project=web").status
        refused = speaks(server, "UNTRUSTED_REFUSED") or speaks(server, "UNTRUSTED_DEFAULT_ONLY")
        assert status == ((400 if server.product == "incus" else 404) if refused else 200)
        if refused:
            with pytest.raises(LxdImageError):
                unknown.in_project("web").images.all()


@case("UNSORTED")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    made = sorted(server.add_image(factory.small(number)) for number in range(1, 7))

    urls = [url.rsplit("/", 1)[-1] for url in server.get("images")]

    assert sorted(urls) == made
    assert (urls != made) is holds
    assert sorted(image.fingerprint for image in client.images.all()) == made


@case("LOCATIONS")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    fingerprint = server.add_image(factory.small(1))

    assert server.get(f"images/{fingerprint}").get("locations") == (["none"] if holds else None)
    # "none" is no member of a cluster.
    assert client.images.all()[0].locations == ()


@case("LONG_PREFIX")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    fingerprint = server.add_image(factory.small(1))

    assert server.raw("GET", f"/1.0/images/{fingerprint[:8]}").status == (400 if holds else 200)
    assert client.images.get(fingerprint[:12]).fingerprint == fingerprint
    if holds:
        with pytest.raises(NotFoundError, match="12"):
            client.images.get(fingerprint[:8])
    else:
        assert client.images.get(fingerprint[:8]).fingerprint == fingerprint


@case("PUBLIC_IN_DEFAULT_ONLY")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    server.add_project("web")
    fingerprint = server.add_image(factory.small(1), project="web")
    image = client.in_project("web").images.get(fingerprint)
    image.public = True

    said = server.raw("PATCH", f"/1.0/images/{fingerprint}{WEB}", json={"public": holds})
    assert said.status == (400 if holds else 200)
    if holds:
        with pytest.raises(InvalidRequestError, match="public"):
            image.update()
        with pytest.raises(InvalidRequestError, match="public"):
            client.in_project("web").images.create(factory.small(2), public=True)
    else:
        image.update()
        assert client.in_project("web").images.get(fingerprint).public


@case("SPLIT_RETRIEVED")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    image = client.images.get(server.add_image(factory.split(3)))
    heard: list[str] = []

    with client.events(types=["lifecycle"]) as events:
        image.export(Path(server.folder) / "out")
        client.images.aliases.create("end", image)
        for event in events:
            heard.append(event.metadata["action"])
            if heard[-1] == "image-alias-created":
                break

    assert ("image-retrieved" in heard) is holds


@case("TYPE_HEADER")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    data = factory.small(1)
    fingerprint = server.add_image(data)

    said = server.raw("GET", f"/1.0/images/{fingerprint}/export")

    assert ("X-Incus-Type" in said.headers) is holds
    assert client.images.get(fingerprint).export() == data


@case("TYPED_FILTERS")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    server.add_image(factory.small(1))

    assert len(server.get("images?recursion=1&filter=public%20eq%20false")) == int(holds)
    assert len(client.images.all(filter="public=false")) == 1


@case("FILTER_ANY_OF")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    server.add_image(factory.small(1))

    assert len(server.get("images?recursion=1&filter=type%20eq%20container,other")) == int(holds)
    assert len(client.images.all(filter="type=container")) == 1
