"""100,000 aliases, properties, profiles or projects, or texts of 1 MB: what is sent to the browser is small."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb.panels.image import detail
from tests.kit.counts import count, long_run
from tests.kit.frontend import browser, opened, panels
from tests.kit.hostile_server import HostileServer, envelope, http_reply
from tests.kit.inventories import image

__all__ = ["panels"]

MANY = 100_000 if long_run() else 5_000
MOST = 50_000
IMAGES: dict[str, Callable[[], dict[str, Any]]] = {
    "aliases": lambda: image(1, names=[f"alias-{i}" for i in range(MANY)]),
    "properties": lambda: image(1, properties={f"key-{i}": "v" for i in range(MANY)}),
    "profiles": lambda: image(1, profiles=[f"profile-{i}" for i in range(MANY)]),
    "texts": lambda: image(
        1,
        names=["a" * 1_000_000],
        filename="f" * 1_000_000,
        profiles=["p" * 1_000_000],
        properties={"description": "x y " * 250_000, "os": "z" * 1_000_000, "k" * 1_000_000: "v"},
        update_source={"server": "s" * 1_000_000, "protocol": "lxd", "alias": "a" * 1_000_000},
    ),
    "a clock ten years ahead": lambda: image(1, created_at="2037-01-01T00:00:00Z", uploaded_at="2037-01-01T00:00:00Z"),
    "a clock ten years behind": lambda: image(1, uploaded_at="2015-01-01T00:00:00Z", expires_at="2016-01-01T00:00:00Z"),
}


def size(parts: Any) -> int:
    return len(json.dumps(parts))


@pytest.mark.filterwarnings("ignore:the images have")
@pytest.mark.parametrize("kind", IMAGES)
def test_a_huge_image_is_shown_within_limits(panels: Any, kind: str) -> None:
    raw = IMAGES[kind]()
    with HostileServer(raw, image(2)) as server, lxdimg_nb.connect(server.url) as client:
        view = browser(client, panels)
        opened(view, raw["fingerprint"])
        frame = client.images.df()
        texts = [repr(frame), frame._repr_html_(), repr(client.images.all()), frame.lxdimg.summary()._repr_html_()]
        single = client.images.get(raw["fingerprint"])
        texts += [repr(single), single._repr_html_(), single._record._repr_html_()]

    assert max(size(message) for message in view.told) < MOST
    assert max(map(len, texts)) < MOST
    count("huge images", inputs=1)


def test_a_server_of_many_projects_offers_the_first_and_counts_the_others(panels: Any) -> None:
    entries = [{"name": f"p{i:06}", "config": {}, "used_by": []} for i in range(MANY)]
    last = f"p{MANY - 1:06}"
    with HostileServer(image(1)) as server, lxdimg_nb.connect(server.url) as client:
        server.answers = {r"GET /1.0/projects\?": http_reply(envelope(entries))}
        view = browser(client, panels)
        assert view.sees(lambda p: len(p.get("projects", ())) == 1_000)
        assert view.parts["more_projects"].startswith(f"and {MANY - 1000:,} more")

        view.say("project", project=last)
        assert view.sees(lambda p: p["header"]["project"] == last and p["projects"][0] == last)

    assert max(size(message) for message in view.told) < MOST
    count("100,000 projects", inputs=1)


def test_a_detail_of_all_aliases_would_be_noticed(panels: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detail, "MAX_ALIASES", 1 << 40)
    raw = IMAGES["aliases"]()
    with HostileServer(raw) as server, lxdimg_nb.connect(server.url) as client:
        view = browser(client, panels)
        opened(view, raw["fingerprint"])

    assert max(size(message) for message in view.told) > MOST
