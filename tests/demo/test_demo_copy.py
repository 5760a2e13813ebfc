"""Images between two demo servers, and from the catalogue one of them serves."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lxdimg_nb import demo
from tests.kit import factory
from tests.kit.demo_http import Said, ask, finished, upload


@pytest.fixture
def here() -> Iterator[demo.DemoServer]:
    with demo.start(inventory=False) as server:
        yield server


@pytest.fixture(scope="module")
def there() -> Iterator[demo.DemoServer]:
    with demo.start() as server:
        yield server


def _pull(to: demo.DemoServer, source: demo.DemoServer, body: dict[str, Any] | None = None, **fields: str) -> Said:
    pinned = {"server": source.https_url, "certificate": source.certificate}
    asked = {"source": {"type": "image", "mode": "pull", **pinned, **fields}, **(body or {})}
    return ask(to.socket, "POST", "/1.0/images", asked)


def _target(server: demo.DemoServer, alias: str) -> str:
    return str(ask(server.socket, "GET", f"/1.0/images/aliases/{alias}").metadata["target"])


def _secret(server: demo.DemoServer, fingerprint: str) -> str:
    return str(ask(server.socket, "POST", f"/1.0/images/{fingerprint}/secret").metadata["metadata"]["secret"])


def test_a_public_image_is_pulled_by_alias_and_can_be_refreshed(here: demo.DemoServer, there: demo.DemoServer) -> None:
    operation = finished(here.socket, _pull(here, there, {"aliases": [{"name": "mine"}]}, alias="debian/12"))

    fingerprint = operation["metadata"]["fingerprint"]
    image = ask(here.socket, "GET", f"/1.0/images/{fingerprint}").metadata
    original = ask(there.socket, "GET", f"/1.0/images/{fingerprint}").metadata
    assert image["properties"] == original["properties"]
    assert image["public"] is False
    assert [alias["name"] for alias in image["aliases"]] == ["mine"]
    assert image["update_source"]["alias"] == "debian/12"
    assert image["update_source"]["server"] == there.https_url
    refreshed = finished(here.socket, ask(here.socket, "POST", f"/1.0/images/{fingerprint}/refresh"))
    assert refreshed["metadata"]["refreshed"] is False


@pytest.mark.parametrize(
    ("product", "said"), [("lxd", "Unsupported protocol: incus"), ("incus", "Invalid protocol: lxd")]
)
def test_the_other_products_protocol_is_refused(there: demo.DemoServer, product: str, said: str) -> None:
    """LXD 5.0.2 knows no `incus`; Incus 6.0.4 fetches from an LXD, but cannot follow an alias there."""
    other = {"lxd": "incus", "incus": "lxd"}[product]
    with demo.start(inventory=False, product=product) as here:
        failed = finished(here.socket, _pull(here, there, alias="debian/12", protocol=other))
        kept = ask(here.socket, "GET", "/1.0/images?recursion=1").metadata
        again = finished(here.socket, _pull(here, there, fingerprint=_target(there, "debian/12"), protocol="lxd"))

    assert failed["err"] == said
    assert [image.get("update_source") for image in kept] == ([None] if product == "incus" else [])
    assert again["status_code"] == 200


@pytest.mark.parametrize("alias", ["debian/11", "alpine/3.20", "rocky/9", "fedora/40"])
def test_a_private_image_of_any_kind_is_pulled_with_a_secret(
    here: demo.DemoServer, there: demo.DemoServer, alias: str
) -> None:
    fingerprint = _target(there, alias)

    without = finished(here.socket, _pull(here, there, fingerprint=fingerprint))
    operation = finished(here.socket, _pull(here, there, fingerprint=fingerprint, secret=_secret(there, fingerprint)))

    assert without["status"] == "Failure"
    assert operation["status"] == "Success", operation
    image = ask(here.socket, "GET", f"/1.0/images/{fingerprint}").metadata
    assert "update_source" not in image
    path = f"/1.0/images/{fingerprint}/export"
    assert len(ask(here.socket, "GET", path).body) == len(ask(there.socket, "GET", path).body)


def test_a_pull_without_an_image_or_a_server_fails_in_the_operation(
    here: demo.DemoServer, there: demo.DemoServer
) -> None:
    nothing = finished(here.socket, _pull(here, there))
    unknown = finished(here.socket, _pull(here, there, alias="no-such-alias"))
    unpinned = finished(here.socket, _pull(here, there, certificate="", alias="debian/12"))
    dead = {"type": "image", "mode": "pull", "server": "https://127.0.0.1:1", "alias": "x"}
    nobody = finished(here.socket, ask(here.socket, "POST", "/1.0/images", {"source": dead}))

    assert "must specify one of alias or fingerprint" in nothing["err"]
    assert "Image not found" in unknown["err"]
    assert "certificate signed by unknown authority" in unpinned["err"]
    assert "connection refused" in nobody["err"]
    assert ask(here.socket, "GET", "/1.0/images").metadata == []
    assert list((here.folder / "images").iterdir()) == []


def test_a_pull_rewrites_an_image_that_is_there_only_where_it_says_something(
    here: demo.DemoServer, there: demo.DemoServer
) -> None:
    fingerprint = finished(here.socket, _pull(here, there, {"public": True}, alias="debian/12"))["metadata"][
        "fingerprint"
    ]

    finished(here.socket, _pull(here, there, alias="debian/12"))
    kept = ask(here.socket, "GET", f"/1.0/images/{fingerprint}").metadata
    finished(here.socket, _pull(here, there, {"filename": "zz"}, alias="debian/12"))
    rewritten = ask(here.socket, "GET", f"/1.0/images/{fingerprint}").metadata

    assert kept["public"] is True
    assert (rewritten["public"], rewritten["filename"]) == (False, "zz")


def test_a_damaged_download_is_not_kept(here: demo.DemoServer, there: demo.DemoServer) -> None:
    there.faults.add(cut_after=100, path="/export", times=1)

    operation = finished(here.socket, _pull(here, there, alias="debian/12"))

    assert operation["status"] == "Failure"
    assert ask(here.socket, "GET", "/1.0/images").metadata == []
    assert list((here.folder / "images").iterdir()) == []


def test_a_pull_is_cancelled_while_it_waits_for_bytes(here: demo.DemoServer, there: demo.DemoServer) -> None:
    there.requests.clear()
    there.faults.add(latency=20, path="/export", times=1)
    url = _pull(here, there, alias="debian/12").json["operation"]
    while not any("/export" in path for _, path in there.requests):
        threading.Event().wait(0.01)

    before = time.monotonic()
    cancelled = ask(here.socket, "DELETE", url)
    ended = ask(here.socket, "GET", f"{url}/wait").metadata

    assert cancelled.status == 200
    assert time.monotonic() - before < 15
    assert (ended["status"], ended["err"]) == ("Failure", "context canceled")
    assert ask(here.socket, "GET", "/1.0/images").metadata == []


def test_an_upload_cannot_be_cancelled(here: demo.DemoServer) -> None:
    said = ask(here.socket, "POST", "/1.0/images", factory.small(1), {"Content-Type": "application/octet-stream"})

    refused = ask(here.socket, "DELETE", said.json["operation"])

    assert refused.status == 400


@pytest.mark.parametrize("alias", ["debian/11", "alpine/3.20", "fedora/40"])
def test_an_image_is_pushed_with_a_token_that_decides_what_it_becomes(
    here: demo.DemoServer, there: demo.DemoServer, alias: str
) -> None:
    fingerprint = _target(there, alias)
    asked = {
        "source": {"type": "image", "mode": "push", "fingerprint": fingerprint},
        "aliases": [{"name": "pushed", "description": "by hand"}],
        "properties": {"from": "afar"},
        "public": True,
        "expires_at": "2040-01-02T03:04:05Z",
    }
    token = ask(here.socket, "POST", "/1.0/images", asked).metadata["metadata"]["secret"]
    target = {"target": here.https_url, "certificate": here.certificate, "secret": token}

    operation = finished(there.socket, ask(there.socket, "POST", f"/1.0/images/{fingerprint}/export", target))

    assert operation["status"] == "Success", operation
    image = ask(here.socket, "GET", f"/1.0/images/{fingerprint}").metadata
    assert image["aliases"] == [{"name": "pushed", "description": "by hand"}]
    assert image["properties"] == {"from": "afar"}
    assert (image["public"], image["expires_at"]) == (True, "2040-01-02T03:04:05Z")
    used = finished(there.socket, ask(there.socket, "POST", f"/1.0/images/{fingerprint}/export", target))
    assert used["status"] == "Failure"


def test_a_push_to_a_dead_server_is_refused_at_once_and_of_a_prefix_later(here: demo.DemoServer) -> None:
    fingerprint = upload(here.socket, factory.small(1))["metadata"]["fingerprint"]

    dead = ask(here.socket, "POST", f"/1.0/images/{fingerprint}/export", {"target": "https://127.0.0.1:1"})
    own = {"target": here.https_url, "certificate": here.certificate}
    prefix = finished(here.socket, ask(here.socket, "POST", f"/1.0/images/{fingerprint[:12]}/export", own))

    assert dead.status == 500
    assert "no such file" in prefix["err"]


def test_the_simplestreams_tree_is_consistent(there: demo.DemoServer) -> None:
    assert there.https_url is not None
    index = ask(there.https_url, "GET", "/streams/v1/index.json").json
    entry = index["index"]["images"]
    products = ask(there.https_url, "GET", f"/{entry['path']}").json["products"]

    assert sorted(products) == sorted(entry["products"])
    count = 0
    for product in products.values():
        assert product["aliases"]
        for version in product["versions"].values():
            contents = {}
            for item in version["items"].values():
                content = ask(there.https_url, "GET", f"/{item['path']}").body
                assert hashlib.sha256(content).hexdigest() == item["sha256"]
                assert len(content) == item["size"]
                contents[item["ftype"]] = content
            metadata = version["items"]["lxd.tar.xz"]
            combined = next(text for key, text in metadata.items() if key.startswith("combined_"))
            root = next(content for kind, content in contents.items() if kind != "lxd.tar.xz")
            assert hashlib.sha256(contents["lxd.tar.xz"] + root).hexdigest() == combined
            count += 1
    assert count >= 8


def test_refresh_puts_the_newer_build_of_the_catalogue_in_an_images_place() -> None:
    with demo.start() as server:
        before = ask(server.socket, "GET", f"/1.0/images/{_target(server, 'ubuntu/24.04')}").metadata
        ask(server.socket, "PATCH", f"/1.0/images/{before['fingerprint']}", {"public": True})

        path = f"/1.0/images/{before['fingerprint']}/refresh"
        operation = finished(server.socket, ask(server.socket, "POST", path))

        after = ask(server.socket, "GET", f"/1.0/images/{_target(server, 'ubuntu/24.04')}").metadata
        assert operation["metadata"]["refreshed"] is True
        assert after["properties"]["serial"] > before["properties"]["serial"]
        assert after["aliases"] == before["aliases"]
        assert after["public"] is True
        assert after["update_source"] == before["update_source"]
        assert ask(server.socket, "GET", f"/1.0/images/{before['fingerprint']}").status == 404


def test_sources_of_the_catalogue_follow_the_server_to_its_next_port(tmp_path: Any) -> None:
    with demo.start(tmp_path):
        pass

    with demo.start(tmp_path) as server:
        image = ask(server.socket, "GET", f"/1.0/images/{_target(server, 'debian/13')}").metadata
        assert image["update_source"]["server"] == server.https_url
        path = f"/1.0/images/{image['fingerprint']}/refresh"
        assert finished(server.socket, ask(server.socket, "POST", path))["metadata"]["refreshed"] is True
