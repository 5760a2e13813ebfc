"""What a client meets where a fact about connections and texts holds, and where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb import Client
from lxdimg_nb.client.dialect import Dialect
from lxdimg_nb.errors import (
    ApiError,
    NotFoundError,
)
from tests.client.newer.cases import (
    case,
    handshake,
    stranger,
    token_text,
)
from tests.kit import certificates, factory
from tests.kit.demo_http import ask
from tests.kit.newer import speaks
from tests.kit.servers import RunningServer


@case("EXTENSIONS_HIDDEN")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    server.add_image(factory.small(1), public=True)

    with stranger(server) as unknown:
        assert (unknown.info.product, unknown.info.trusted) == (server.product, False)
        assert (not unknown.info.extensions) is holds
        assert len(unknown.images.all()) == 1
    assert client.info.extensions


@case("BEARER")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    assert ("bearer" in client.info.auth_methods) is holds


@case("USER_SHOWN")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    assert ("auth_user_name" in server.get("")) is holds
    assert client.info.trusted


@case("DEFAULT_IMAGES_LEAK", "OTHER_PROJECTS_EMPTY")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    private = server.add_image(factory.small(1), aliases=["a"])
    server.add_project("web")
    url = server.listen()
    pair = certificates.restricted(server, Path(server.folder) / "pair", "web")

    with lxdimg_nb.connect(url, cert=pair, server_cert=certificates.of_server(url)) as narrow:
        assert narrow.images.all() == []
        assert narrow.images.exists(private) is speaks(server, "DEFAULT_IMAGES_LEAK")
        if speaks(server, "OTHER_PROJECTS_EMPTY"):
            assert narrow.images.aliases.all() == []
        else:
            with pytest.raises(ApiError, match=r"permission|not authorized|Forbidden"):
                narrow.images.aliases.all()


@case("TRUST_TOKEN", "PASSWORD_TOKEN")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    server.listen()

    with pytest.MonkeyPatch.context() as patch:
        home = Path(server.folder) / "home"
        home.mkdir(exist_ok=True)
        for name in ("HOME", "LXD_CONF", "INCUS_CONF", "XDG_CONFIG_HOME"):
            patch.setenv(name, str(home))
        issued = server.raw("POST", "/1.0/certificates", json={"name": "n", "type": "client", "token": True})
        remote = lxdimg_nb.enroll(server.listen(), token=token_text(issued.json()["metadata"]["metadata"]))
        with lxdimg_nb.connect(remote) as friend:
            assert friend.info.trusted
    field = Dialect(client.info).token_field
    assert field in ("trust_token", "password")
    assert field == ("trust_token" if speaks(server, "TRUST_TOKEN") else "password")


@case("PASSWORD_REFUSED")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    said = ask(server.listen(), "POST", "/1.0/certificates", {"type": "client", "password": "x"})

    assert said.status == (501 if holds else 403)


@case("TRUSTED_CONFLICT")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    server.listen()
    issued = server.raw("POST", "/1.0/certificates", json={"name": "n", "type": "client", "token": True})
    token = token_text(issued.json()["metadata"]["metadata"])

    said = server.raw("POST", "/1.0/certificates", json={"type": "client", "trust_token": token})

    assert said.status == (409 if holds else 400)


@case("FETCH_SITE_REFUSED")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    said = server.raw("GET", "/1.0/images", headers={"Sec-Fetch-Site": "cross-site"})

    assert said.status == (403 if holds else 200)
    assert client.images.all() == []


@case("BROWSER_TYPES")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    odd = {"User-Agent": "Mozilla/5.0", "Content-Type": "text/plain"}

    assert server.raw("POST", "/1.0/images/aliases", b"{}", odd).status == (415 if holds else 400)
    assert client.images.create(factory.small(1), wait=True).size


@case("FOREIGN_ORIGIN_REFUSED")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    status = handshake(server, "type=lifecycle", Origin="http://elsewhere.example")

    assert status == (403 if holds else 101)
    with client.images.live() as live:
        server.add_image(factory.small(1))
        assert live.wait_until(lambda records: len(records) == 1)


@case("SMALL_BODIES")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    image = client.images.create(factory.small(1), wait=True)
    image.properties = {**image.properties, "notes": "x" * 1_200_000}

    if holds:
        with pytest.raises(ApiError, match="too large"):
            image.update()
        assert "notes" not in client.images.get(image.fingerprint).properties
    else:
        image.update()
        assert len(client.images.get(image.fingerprint).properties["notes"]) == 1_200_000


@case("TITLE_TEXTS")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    assert server.raw("GET", "/1.0/nope").json()["error"] == ("Not Found" if holds else "not found")
    with pytest.raises(NotFoundError, match="nope"):
        client.images.get("nope")


@case("NEW_GO", "GO_KEYS")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    fingerprint = server.add_image(factory.small(1))

    told = server.raw("PUT", f"/1.0/images/{fingerprint}", json={"expires_at": 5}).json()["error"]
    key = server.raw("PUT", f"/1.0/images/{fingerprint}", json={"properties": {"a": 1}}).json()["error"]

    new, keys = speaks(server, "NEW_GO"), speaks(server, "GO_KEYS")
    assert ("type time.Time" in told) is keys
    assert ("Time.UnmarshalJSON" in told) is (new and not keys)
    assert ("ImagePut.properties.a" in key) is keys
    image = client.images.get(fingerprint)
    image.expires_at = "2031-01-01T00:00:00Z"
    assert image.update()


@case("API_NAMES")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    server.add_project("web")

    said = server.raw("POST", "/1.0/projects", json={"name": "a*b"})
    again = server.raw("POST", "/1.0/projects", json={"name": "web"})

    assert said.status == (400 if holds else 201)
    assert again.status == (500 if server.product == "incus" and not holds else 409)
    assert "web" in client.projects()
