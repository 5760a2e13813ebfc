"""Panels of a fleet and of a catalogue, copies to another server, and what deleting an image would do."""

from __future__ import annotations

import lxdimg_nb
from lxdimg_nb.inventory import Fleet
from tests.kit import factory, streams
from tests.kit.frontend import FrontEnd, browser, opened, panels

__all__ = ["panels"]


def test_a_fleet_is_one_list_and_each_image_is_changed_on_its_own_server(demo, lxd, panels):
    here, there = demo.add_image(factory.small(1), aliases=["a"]), lxd.add_image(factory.small(1), aliases=["b"])
    with lxdimg_nb.connect(demo.url) as client:
        fleet = Fleet({"here": client, "there": lxd.url, "nowhere": "unix:///tmp/lxdimg-no-such.socket"})
        panel = fleet.panel()
        panels(panel)
        view = FrontEnd(panel).begin()
        assert sorted(row["key"] for row in view.parts["list"]["rows"]) == [
            f"here/default/{here}",
            f"there/default/{there}",
        ]
        assert view.sees(lambda p: "nowhere" in p["notices"][0]["text"])

        view.say("open", key=f"there/default/{there}")
        view.say("set", key=f"there/default/{there}", field="public", value=True, confirmed=True)

        assert view.sees(lambda p: p["detail"]["public"]["on"])
        assert lxd.get(f"images/{there}")["public"] is True
        assert demo.get(f"images/{here}")["public"] is False


def test_an_image_is_copied_to_another_server(demo, lxd, panels):
    fingerprint = demo.add_image(factory.small(1), aliases=["web"], public=True)
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        opened(view, fingerprint)

        view.say("copy", key=f"default/{fingerprint}", target=lxd.url, aliases="web, web/1")

        last = lambda p: p["transfers"][-1]  # noqa: E731
        assert view.sees(lambda p: last(p)["title"].startswith("Copy web") and last(p)["state"] == "done")
        image = lxd.get(f"images/{fingerprint}")
        assert image["public"] is False
        assert sorted(alias["name"] for alias in image["aliases"]) == ["web", "web/1"]


def test_what_an_image_is_for_is_told_when_somebody_asks(demo, panels):
    fingerprint = demo.add_image(factory.small(1), aliases=["web"])
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        before = len(demo.demo.requests)
        opened(view, fingerprint)
        view.settle()
        assert view.parts["explained"] == {}
        assert not [r for r in list(demo.demo.requests)[before:] if "instances" in r[1]]

        view.say("explain", key=f"default/{fingerprint}")

        assert view.sees(lambda p: p["explained"]["state"] == "ready")
        answers = {a["name"]: a["value"] for a in view.parts["explained"]["answers"]}
        assert answers["Used by"] == "no instance or snapshot"
        assert "web" in answers["Deleting it breaks"]
        other = demo.add_image(factory.small(2))
        assert view.sees(lambda p: p["list"]["total"] == 2)
        opened(view, other)
        assert view.sees(lambda p: p["explained"] == {})


def test_a_catalogue_is_browsed_and_a_choice_is_copied_to_a_server(server, panels, tmp_path):
    with streams.serving(tmp_path / "site") as site:
        streams.ubuntu().publish(site)
        with lxdimg_nb.connect(f"simplestreams+{site.url}", server_cert=site.cert) as catalogue:
            view = browser(catalogue, panels)
            assert view.parts["header"]["catalogue"]
            view.say("search", query="alias=noble type=container architecture=x86_64")
            assert view.sees(lambda p: p["list"]["matching"] == 1)
            fingerprint = view.parts["list"]["rows"][0]["key"].rsplit("/", 1)[-1]
            opened(view, fingerprint)
            detail = view.parts["detail"]
            assert (detail["writable"], detail["explains"]) == (False, False)
            assert "copy the image to a server" in detail["public"]["locked"]
            assert f"of the catalogue {site.url}" in view.panel._repr_mimebundle_()[0]["text/plain"]
            view.say("set", key=detail["key"], field="public", value=False)
            assert view.sees(lambda p: "read" in p["detail"]["result"]["text"] and not p["detail"]["result"]["good"])

            view.say("forget")
            assert view.sees(lambda p: p["transfers"] == [])
            view.say("copy", key=detail["key"], target=server.url, aliases="noble")

            last = lambda p: p["transfers"][-1]  # noqa: E731
            assert view.sees(lambda p: last(p)["title"].startswith("Copy") and last(p)["state"] == "done", timeout=30)
    image = server.get(f"images/{fingerprint}")
    assert (image["public"], [a["name"] for a in image["aliases"]]) == (False, ["noble"])
