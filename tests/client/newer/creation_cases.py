"""What a client meets where a fact about new images holds, and where it does not."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from lxdimg_nb import Client
from lxdimg_nb.client.dialect import Dialect
from lxdimg_nb.errors import (
    InvalidRequestError,
    LxdImageError,
    MissingExtensionError,
    NotFoundError,
)
from tests.client.newer.cases import (
    GOOD,
    case,
    failure,
    image_of,
    upload,
)
from tests.kit import factory
from tests.kit.newer import speaks
from tests.kit.servers import RunningServer

DATES = (
    *("properties: {built: 2024-1-2}", "properties: {built: 2024-01-02 03:04:05.5}", "properties: {2024-01-02: x}"),
    *("properties: {built: 2024-01-02T3:4:5+01:00}", "properties: {built: !!timestamp 2024-01-02}"),
    "templates: {/x: {when: [create], template: 2024-01-02}}",
)
NO_DATES = (
    *("properties: {built: 2024-02-30}", "properties: {built: 2024-01-02T03:04:05}", "properties: {built: 20240102}"),
    *("properties: {built: 2024-01-02 03:04:05Z}", "properties: {built: !!str 2024-01-02}", "other: 2024-01-02"),
)


@case("PROFILES_HEADER", "PROFILES_FIRST")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    server.raw("POST", "/1.0/profiles", json={"name": "small"})

    image = client.images.create(factory.small(1), wait=True, profiles=["default", "small"])

    assert sorted(client.images.get(image.fingerprint).profiles) == ["default", "small"]
    reply = upload(server, factory.small(2), profiles="profile=nope")
    operation = server.wait(reply, ok=not speaks(server, "PROFILES_HEADER"))
    if speaks(server, "PROFILES_FIRST"):
        assert operation["metadata"] == {}


@case("ALIASES_HEADER")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    server.wait(upload(server, factory.small(1), aliases="alias=raw"))
    image = client.images.create(factory.small(2), wait=True, aliases=["mine"])

    assert [alias.name for alias in client.images.get(image.fingerprint).aliases] == ["mine"]
    assert ("raw" in [alias.name for alias in client.images.aliases.all()]) is holds


@case("ALIAS_NAMES")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    fingerprint = server.add_image(factory.small(1))
    name = "ü" * 40

    said = server.raw("POST", "/1.0/images/aliases", json={"name": f"a{name}a", "target": fingerprint})
    assert said.status == (400 if holds else 201)
    if holds:
        with pytest.raises(InvalidRequestError, match="alias"):
            client.images.aliases.create(f"b{name}b", fingerprint)
    else:
        assert client.images.aliases.create(f"b{name}b", fingerprint).name == f"b{name}b"


@case("NO_URL_SOURCE")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    said = server.raw("POST", "/1.0/images", json={"source": {"type": "url", "url": "https://127.0.0.1:1/x"}})

    assert said.status == (400 if holds else 202)
    assert Dialect(client.info).url_source is not holds


@case("CAPITAL_FINGERPRINTS", "FINGERPRINTS_DO_NOT")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    told = failure(server, client, upload(server, factory.small(1), fingerprint="0" * 64))

    if speaks(server, "FINGERPRINTS_DO_NOT"):
        assert "Fingerprints do not match" in told
    else:
        assert f"{'F' if speaks(server, 'CAPITAL_FINGERPRINTS') else 'f'}ingerprints don't match" in told
    assert client.images.all() == []


@case("TOKEN_PROPERTIES")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    data = factory.small(1)
    fingerprint = hashlib.sha256(data).hexdigest()
    token = server.raw("POST", "/1.0/images", json={"source": {"mode": "push", "fingerprint": fingerprint}}).json()

    done = server.wait(
        upload(server, data, fingerprint=fingerprint, secret=token["metadata"]["metadata"]["secret"]), ok=False
    )

    assert (done["status_code"] == 400) is holds
    made = client.images.create(factory.small(2), wait=True, aliases=["a"], expires_at="2031-01-01T00:00:00Z")
    assert client.images.get("a").fingerprint == made.fingerprint


@case("SPLIT_FORMAT")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    server.add_instance("c1", server.add_image(factory.small(1)))

    if holds:
        image = client.images.publish("c1", format="split")
        assert len(image.export(Path(server.folder) / "split").paths) == 2
    else:
        with pytest.raises(MissingExtensionError, match="instance_publish_split"):
            client.images.publish("c1", format="split")


@case("QUOTED_ARCHITECTURE")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    told = failure(server, client, upload(server, image_of(b"architecture: z80\ncreation_date: 1\n")))

    assert ('"z80"' in told) is holds


@case("YAML_CONSTRUCTS")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    dated = image_of(GOOD + b"properties: {built: 2020-01-01}\n")

    if holds:
        with pytest.raises(LxdImageError, match="2020-01-01"):
            client.images.create(dated, wait=True)
        assert client.images.all() == []
    else:
        assert client.images.create(dated, wait=True).properties["built"] == "2020-01-01"
    assert client.images.create(image_of(GOOD + b'properties: {built: "2020-01-02"}\n'), wait=True).size

    # `check()` tells before, of exactly what such a server refuses.
    for text in DATES:
        file = image_of(GOOD + text.encode() + b"\n")
        found = client.images.check(file)

        assert [told for told in found.problems if "write quotes around" in told] == list(found.problems)
        assert bool(found.problems) is holds is bool(client.server_project.dialect.refuses_dates), text
        assert bool(found.notes) is not holds, text
        if holds:
            assert "!!timestamp" in failure(server, client, upload(server, file)), text
        else:
            assert client.images.create(file, wait=True).size, text
    for text in NO_DATES:
        file = image_of(GOOD + text.encode() + b"\n")

        assert client.images.check(file).ok, text
        assert client.images.check(file).notes == (), text
        assert client.images.create(file, wait=True).size, text


@case("PUSH_CONNECTS_LATE")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    fingerprint = server.add_image(factory.small(1))

    said = server.raw("POST", f"/1.0/images/{fingerprint}/export", json={"target": "https://127.0.0.1:1"})

    assert said.status == (202 if holds else 500)
    if holds:
        assert "refused" in failure(server, client, said)


@case("PROJECT_NAME")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    said = server.raw("POST", "/1.0/images", json={"source": {"type": "instance", "name": "nope"}})

    told = failure(server, client, said) if said.status == 202 else said.json()["error"]
    assert ("projectName" in told) is holds
    with pytest.raises(LxdImageError, match="nope"):
        client.images.publish("nope")


@case("PROJECT_LOADED")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    said = server.raw("POST", "/1.0/images?project=nope", b"x")

    assert (said.status, said.json()["error"].startswith("Failed to load project")) == (404, holds)
    with pytest.raises(NotFoundError):
        client.in_project("nope").images.create(factory.small(1), wait=True)
