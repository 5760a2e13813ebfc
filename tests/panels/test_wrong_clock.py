"""A panel of a server whose clock is ten years off: it says so, and offers nothing as old that is young."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import lxdimg_nb
from tests.kit.clocks import YEARS, date_header, stamp
from tests.kit.counts import count
from tests.kit.frontend import browser, opened, panels
from tests.kit.hostile_server import HostileServer
from tests.kit.inventories import fingerprint, image

__all__ = ["panels"]


@pytest.mark.parametrize("ahead", [YEARS, -YEARS], ids=["ahead", "behind"])
def test_the_panel_says_that_the_clock_is_off(panels: Any, ahead: timedelta) -> None:
    now = datetime.now(UTC) + ahead
    young = image(1, uploaded_at=stamp(now - timedelta(hours=1)), created_at=stamp(now))
    old = image(2, uploaded_at=stamp(now - timedelta(days=200)))
    with HostileServer(young, old) as server:
        server.date = date_header(ahead)
        with lxdimg_nb.connect(server.url) as client:
            view = browser(client, panels)
            notices = view.parts["notices"]
            opened(view, fingerprint(1))
            view.say("search", query="age>90d")
            expected = [f"default/{fingerprint(2)}"] if ahead < timedelta(0) else []

            assert view.sees(lambda p: [row["key"] for row in p["list"]["rows"]] == expected)
    words = "10 years ahead of" if ahead > timedelta(0) else "10 years behind"
    assert f"the server's clock is {words} this machine's" in notices[0]["text"]
    count("a clock ten years off", inputs=1, survived=1)
