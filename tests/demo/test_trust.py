"""Who may do what on the demo server's TLS listener, and how a stranger becomes a friend."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pylxd
import pytest

from lxdimg_nb import demo
from tests.kit import factory
from tests.kit.demo_http import Said, ask

Cert = tuple[str, str]


@pytest.fixture(scope="module")
def cert(tmp_path_factory: pytest.TempPathFactory) -> Cert:
    folder = tmp_path_factory.mktemp("client")
    paths = (str(folder / "client.crt"), str(folder / "client.key"))
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1", "-nodes", "-keyout", paths[1]]
    command = ["openssl", "req", "-x509", *key, "-out", paths[0], "-subj", "/CN=friend", "-days", "2"]
    subprocess.run(command, check=True, capture_output=True)
    return paths


@pytest.fixture(params=["lxd", "incus"])
def product(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(product: str) -> Iterator[demo.DemoServer]:
    with demo.start(product=product) as running:
        yield running


def _tls(server: demo.DemoServer, method: str, path: str, body: object = None, *, cert: Cert | None = None) -> Said:
    assert server.https_url is not None
    return ask(server.https_url, method, path, body, cert=cert)


def test_a_stranger_sees_public_images_only(server: demo.DemoServer, cert: Cert) -> None:
    everything = ask(server.socket, "GET", "/1.0/images?recursion=1").metadata
    private = next(image for image in everything if not image["public"])

    for shown in (None, cert):
        listed = _tls(server, "GET", "/1.0/images?recursion=1", cert=shown).metadata
        assert [image["fingerprint"] for image in listed] == [i["fingerprint"] for i in everything if i["public"]]
        assert _tls(server, "GET", f"/1.0/images/{private['fingerprint']}", cert=shown).status == 404
        assert _tls(server, "GET", f"/1.0/images/{private['fingerprint']}/export", cert=shown).status == 404
        assert _tls(server, "GET", "/1.0", cert=shown).metadata["auth"] == "untrusted"
        assert "environment" not in _tls(server, "GET", "/1.0", cert=shown).metadata


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/1.0/images/aliases"),
        ("GET", "/1.0/operations"),
        ("GET", "/1.0/projects"),
        ("GET", "/1.0/events"),
        ("GET", "/1.0/certificates"),
        ("POST", "/1.0/images"),
        ("PUT", "/1.0"),
        ("DELETE", "/1.0/images/0"),
        ("GET", "/1.0/operations/x/wait"),
    ],
)
def test_a_stranger_is_refused(server: demo.DemoServer, cert: Cert, method: str, path: str) -> None:
    assert _tls(server, method, path, {} if method != "GET" else None, cert=cert).status == 403


def test_a_stranger_who_claims_to_be_authenticated_is_refused(server: demo.DemoServer, product: str) -> None:
    assert server.https_url is not None
    header = {"X-LXD-authenticated" if product == "lxd" else "X-Incus-authenticated": "true"}

    assert ask(server.https_url, "GET", "/1.0/images", headers=header).status == 403


def test_a_secret_opens_one_private_image(server: demo.DemoServer) -> None:
    private = next(i for i in ask(server.socket, "GET", "/1.0/images?recursion=1").metadata if not i["public"])
    path = f"/1.0/images/{private['fingerprint']}"
    secret = ask(server.socket, "POST", f"{path}/secret").metadata["metadata"]["secret"]

    assert _tls(server, "GET", f"{path}?secret={'0' * 64}").status == 404
    assert _tls(server, "GET", f"{path}?secret={secret}").status == 200
    assert _tls(server, "GET", f"{path}/export?secret={secret}").status == 200


def test_a_certificate_is_trusted_from_python(server: demo.DemoServer, cert: Cert) -> None:
    fingerprint = server.trust(Path(cert[0]).read_text())

    assert _tls(server, "GET", "/1.0", cert=cert).metadata["auth"] == "trusted"
    assert ask(server.socket, "GET", "/1.0/certificates").metadata == [f"/1.0/certificates/{fingerprint}"]
    ask(server.socket, "DELETE", f"/1.0/certificates/{fingerprint}")
    assert _tls(server, "GET", "/1.0", cert=cert).metadata["auth"] == "untrusted"


def _token(server: demo.DemoServer, **more: object) -> str:
    asked = {"type": "client", "token": True, "name": "friend", **more}
    told = ask(server.socket, "POST", "/1.0/certificates", asked).metadata["metadata"]
    kept = {key: told[key] for key in ("fingerprint", "addresses", "secret")}
    text = json.dumps({"client_name": "friend", **kept, "expires_at": "0001-01-01T00:00:00Z"})
    return base64.b64encode(text.encode()).decode()


def test_a_trust_token_works_once(server: demo.DemoServer, product: str, cert: Cert) -> None:
    key = "password" if product == "lxd" else "trust_token"
    token = _token(server)

    wrong = _tls(server, "POST", "/1.0/certificates", {"type": "client", key: "wrong"}, cert=cert)
    right = _tls(server, "POST", "/1.0/certificates", {"type": "client", key: token}, cert=cert)
    again = _tls(server, "POST", "/1.0/certificates", {"type": "client", key: token}, cert=cert)
    fingerprint = ask(server.socket, "GET", "/1.0/certificates").metadata[0]
    ask(server.socket, "DELETE", fingerprint)
    used = _tls(server, "POST", "/1.0/certificates", {"type": "client", key: token}, cert=cert)

    assert (wrong.status, right.status, again.status, used.status) == (403, 201, 400, 403)


def test_a_restricted_certificate_keeps_to_its_projects(server: demo.DemoServer, product: str, cert: Cert) -> None:
    key = "password" if product == "lxd" else "trust_token"
    token = _token(server, restricted=True, projects=["web"])
    _tls(server, "POST", "/1.0/certificates", {"type": "client", key: token}, cert=cert)
    mine = ask(server.socket, "GET", "/1.0/images?project=web").metadata
    other = ask(server.socket, "GET", "/1.0/images").metadata[0].rsplit("/", 1)[1]

    assert _tls(server, "GET", "/1.0/projects", cert=cert).metadata == ["/1.0/projects/web"]
    assert _tls(server, "GET", "/1.0/images?project=web", cert=cert).metadata == mine
    assert len(_tls(server, "GET", "/1.0/images", cert=cert).metadata) == 1
    assert _tls(server, "PATCH", f"{mine[0]}?project=web", {}, cert=cert).status == 200
    assert _tls(server, "PATCH", f"/1.0/images/{other}", {}, cert=cert).status == 403
    assert _tls(server, "PUT", "/1.0", {}, cert=cert).status == 403
    everywhere = _tls(server, "GET", "/1.0/images?recursion=1&all-projects=true", cert=cert).metadata
    # Incus shows what is private in default as well.
    assert all(image["public"] or image.get("project") in ("web", "default") for image in everywhere)
    assert "ci" not in {image.get("project") for image in everywhere if not image["public"]}


def test_the_pinned_certificate_is_the_one_it_shows(server: demo.DemoServer) -> None:
    assert server.https_url is not None
    host, port = server.https_url.removeprefix("https://").split(":")

    shown = ssl.get_server_certificate((host, int(port)))

    assert ssl.PEM_cert_to_DER_cert(shown) == ssl.PEM_cert_to_DER_cert(server.certificate)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_pylxd_works_with_its_images() -> None:
    data, split = factory.small(1), factory.split(2)
    with demo.start() as server:
        client = pylxd.Client(endpoint=f"http+unix://{quote(str(server.socket), safe='')}")

        assert len(client.images.all()) == 18
        assert client.images.exists("debian/12", alias=True)
        image = client.images.create(data, public=True, wait=True)
        with image.export() as exported:
            assert exported.read() == data
        image.public = False
        image.properties = {"a": "b"}
        image.save(wait=True)
        image.add_alias("mine", "described")
        image.sync()
        assert (image.public, image.properties, image.aliases[0]["name"]) == (False, {"a": "b"}, "mine")
        assert client.images.get_by_alias("mine").fingerprint == image.fingerprint
        image.delete_alias("mine")
        image.delete(wait=True)
        assert not client.images.exists(image.fingerprint)
        both = client.images.create(split[1], metadata=split[0], wait=True)
        assert both.fingerprint == factory.fingerprint(*split)


def test_all_projects_are_listed_at_once_where_the_product_can() -> None:
    with demo.start(product="incus", https=False) as server:
        rows = ask(server.socket, "GET", "/1.0/images?recursion=1&all-projects=true").metadata
        assert {row["project"] for row in rows} == {"default", "web", "ci"}
    with demo.start(product="lxd", https=False) as server:
        rows = ask(server.socket, "GET", "/1.0/images?recursion=1&all-projects=true").metadata
        assert len(rows) == 18
        assert "project" not in rows[0]


def test_the_hourly_update_fetches_what_is_marked_and_has_a_source() -> None:
    with demo.start() as server:
        before = ask(server.socket, "GET", "/1.0/images/aliases/ubuntu%2F24.04").metadata["target"]
        kept = ask(server.socket, "GET", "/1.0/images/aliases/debian%2F13").metadata["target"]

        renewed = server.auto_update()

        assert renewed == 1
        assert ask(server.socket, "GET", "/1.0/images/aliases/ubuntu%2F24.04").metadata["target"] != before
        assert ask(server.socket, "GET", "/1.0/images/aliases/debian%2F13").metadata["target"] == kept
        assert server.auto_update() == 0
