"""Steps of LXD's suites that need an LXD newer than 5.0.2: on the demo server, as LXD 6.9."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit import certificates
from tests.kit.demo_http import ask
from tests.kit.drivers import REFUSED, ClientDriver
from tests.kit.steps import step

Files = Callable[..., Path]


@pytest.mark.parametrize("driver", ["lxd-6.9"], indirect=True)
def test_what_newer_lxd_refuses(driver: ClientDriver, files: Files, tmp_path: Path) -> None:
    server, url = driver.server, driver.server.listen()
    server.add_project("foo")
    fingerprint = driver.create(files(1))
    within = driver.within("foo")
    within.create(files(1))
    with step("url-import-refused-by-the-server"):
        source = {"type": "url", "url": "https://example.com/image.tar.gz"}
        assert server.raw("POST", "/1.0/images", json={"source": source}).status == 400
        with pytest.raises(REFUSED, match=r"URL|url"):
            driver.client.images.create_from_url(source["url"], by="server")
    with step("public-only-in-default"):
        with pytest.raises(REFUSED, match="project default"):
            within.create(files(2), public=True)
        with pytest.raises(REFUSED, match="project default"):
            within.edit(fingerprint, public=True)
        for method in ("PUT", "PATCH"):
            reply = server.raw(method, f"/1.0/images/{fingerprint}?project=foo", json={"public": True})
            assert (reply.status, server.get(f"images/{fingerprint}?project=foo")["public"]) == (400, False), method
    with step("prefix-rules-of-newer-lxd"):
        driver.edit(fingerprint, public=True)
        for wrong in ("%25", fingerprint[:11], f"%25{fingerprint[:11]}", f"{fingerprint}abc", fingerprint[:12].upper()):
            for suffix in ("", "/export"):
                assert ask(url, "GET", f"/1.0/images/{wrong}{suffix}").status == 400, wrong
        for right in (fingerprint[:12], fingerprint):
            assert ask(url, "GET", f"/1.0/images/{right}").metadata["fingerprint"] == fingerprint
        assert driver.image(fingerprint[:12])["fingerprint"] == fingerprint
        with pytest.raises(REFUSED, match="at least 12 digits"):
            driver.image(fingerprint[:11])
    with step("stranger-asks-newer-lxd-for-other-projects"):
        for query, status in (("project=foo", 404), ("recursion=1&project=bar", 404), ("all-projects=true", 403)):
            assert ask(url, "GET", f"/1.0/images?{query}").status == status, query
        pair = tuple(map(str, certificates.restricted(server, tmp_path, "foo")))
        said = ask(url, "GET", "/1.0/images?recursion=1&all-projects=true", cert=pair)  # type: ignore[arg-type]
        assert said.status == 403
