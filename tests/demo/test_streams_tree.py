"""The demo server and the daemon it imitates make the same image of what a simplestreams catalogue offers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lxdimg_nb import demo
from tests.kit import streams
from tests.kit.demo_http import ask, finished
from tests.kit.servers import RunningServer
from tests.kit.streams import Site, Tree

pytestmark = pytest.mark.real

PRODUCTS: dict[str, dict[str, Any]] = {
    "ubuntu": {
        "os": "ubuntu",
        "release": "noble",
        "release_title": "24.04 LTS",
        "version": "24.04",
        "support_eol": "2029-05-31",
    },
    "debian": {
        "os": "Debian",
        "release": "trixie",
        "release_title": "trixie",
        "variant": "cloud",
        "requirements": {"secureboot": "false", "nesting": "true"},
        "lxd_requirements": {"secureboot": "no"},
    },
    "alpine": {"os": "Alpine", "release": "3.22", "variant": "default"},
    "odd": {"os": "odd", "release": "1", "support_eol": "some day"},
}


@pytest.fixture(params=["lxd", "incus"])
def product(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def site(tmp_path: Path, product: str) -> Iterator[Site]:
    """A catalogue with a version a product: `20240608`, with the label `release`."""
    tree = Tree()
    for number, (key, fields) in enumerate(PRODUCTS.items()):
        tree.product(key, aliases=f"{key}/x", **fields)
        tree.version(key, "20240608", number, metadata=f"{product}.tar.xz")
    tree.products["alpine"]["versions"]["20240608"].pop("label")
    with streams.serving(tmp_path / "site") as served:
        tree.publish(served)
        yield served


def _fetched(place: Path, site: Site, request: dict[str, Any], source: dict[str, Any]) -> dict[str, Any]:
    """The image that a server fetched, without the time of its arrival."""
    where = {"type": "image", "mode": "pull", "protocol": "simplestreams", "server": site.url, "certificate": site.pem}
    said = finished(place, ask(place, "POST", "/1.0/images", {**request, "source": where | source}))
    assert said["status"] == "Success", said
    shown: dict[str, Any] = ask(place, "GET", f"/1.0/images/{said['metadata']['fingerprint']}").metadata
    shown.pop("uploaded_at")
    return shown


@pytest.mark.parametrize("request_", [{}, {"public": True}, {"auto_update": True}], ids=["bare", "public", "updated"])
@pytest.mark.parametrize("key", PRODUCTS)
def test_an_image_fetched_by_its_alias(
    key: str, request_: dict[str, Any], site: Site, product: str, request: pytest.FixtureRequest
) -> None:
    daemon: RunningServer = request.getfixturevalue(product)
    real = _fetched(daemon.socket, site, request_, {"alias": f"{key}/x"})
    with demo.start(product=product, inventory=False, https=False) as imitation:
        ours = _fetched(imitation.socket, site, request_, {"alias": f"{key}/x"})

    assert ours == real


def test_an_image_fetched_by_its_fingerprint(site: Site, product: str, request: pytest.FixtureRequest) -> None:
    daemon: RunningServer = request.getfixturevalue(product)
    wanted = _fetched(daemon.socket, site, {}, {"alias": "ubuntu/x"})["fingerprint"]
    daemon.clean()

    real = _fetched(daemon.socket, site, {}, {"fingerprint": wanted})
    with demo.start(product=product, inventory=False, https=False) as imitation:
        ours = _fetched(imitation.socket, site, {}, {"fingerprint": wanted})

    assert real["expires_at"] == "2029-05-31T00:00:00Z"
    assert ours == real
