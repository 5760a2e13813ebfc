"""The settings of a server: what the demo server keeps, shows and refuses is what the daemon it imitates does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lxdimg_nb import demo
from tests.kit.demo_http import ask
from tests.kit.servers import RunningServer

DAYS = "images.remote_cache_expiry"
CHANGES: list[dict[str, Any]] = [
    {DAYS: "3", "user.x": "y"},
    {"images.auto_update_cached": "no", "images.auto_update_interval": "12"},
    {"images.compression_algorithm": "zstd", "images.default_architecture": "x86_64"},
    {DAYS: "x"},
    {"images.auto_update_cached": "perhaps"},
    {"images.bogus": "1"},
    {"bogus": "1"},
    {DAYS: ""},
    {"user.x": "", "user.z": "kept"},
]


def _story(place: Path) -> list[Any]:
    told: list[Any] = []
    steps = [("PUT", {}), *(("PATCH", change) for change in CHANGES), ("PUT", {DAYS: "7"}), ("PUT", {"user.z": ""})]
    for method, change in steps:
        said = ask(place, method, "/1.0", {"config": change})
        shown = ask(place, "GET", "/1.0").metadata["config"]
        shown.pop("core.https_address", None)
        told.append((method, change, said.status, said.json.get("error"), shown))
    return told


@pytest.mark.real
@pytest.mark.parametrize("product", ["lxd", "incus"])
def test_settings_are_kept_shown_and_refused_alike(product: str, request: pytest.FixtureRequest) -> None:
    daemon: RunningServer = request.getfixturevalue(product)
    real = _story(daemon.socket)
    with demo.start(product=product, inventory=False, https=False) as server:
        ours = _story(server.socket)

    for mine, theirs in zip(ours, real, strict=True):
        assert mine == theirs


def test_settings_outlive_the_server_and_strangers_do_not_see_them(tmp_path: Path) -> None:
    with demo.start(tmp_path, inventory=False) as server:
        ask(server.socket, "PATCH", "/1.0", {"config": {DAYS: "3", "core.trust_password": "geheim"}})
    with demo.start(tmp_path, inventory=False) as server:
        shown = ask(server.socket, "GET", "/1.0").metadata["config"]
        assert server.https_url is not None
        stranger = ask(server.https_url, "GET", "/1.0").metadata

    assert shown[DAYS] == "3"
    assert shown["core.trust_password"] == "true"
    assert shown["core.https_address"] == server.https_url.removeprefix("https://")
    assert not stranger.get("config")
