"""The panel of a fleet: one list, changes on each image's own server, live on all of them."""

from __future__ import annotations

import threading

import lxdimg_nb
from lxdimg_nb.inventory import Fleet
from tests.kit import factory
from tests.kit.frontend import FrontEnd, panels
from tests.kit.sockets import free_port
from tests.kit.waiting import until

__all__ = ["panels"]


def keys(parts):
    return {row["key"] for row in parts["list"]["rows"]}


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


def test_a_fleet_shows_what_happens_on_each_of_its_servers(demo, lxd, panels):
    first, second = demo.add_image(factory.small(1), aliases=["web"]), lxd.add_image(factory.small(1))
    with lxdimg_nb.connect(demo.url) as client:
        panel = lxdimg_nb.Fleet({"one": client, "two": lxd.url}).panel()
        panels(panel)
        view = FrontEnd(panel).begin()
        assert view.sees(lambda p: p["header"]["live"] == "live")
        view.say("open", key=f"one/default/{first}")
        assert view.sees(lambda p: p["detail"]["fingerprint"] == first)

        added = lxd.add_image(factory.small(2))
        assert view.sees(lambda p: f"two/default/{added}" in keys(p))
        lxd.wait(lxd.raw("DELETE", f"/1.0/images/{second}"))
        assert view.sees(lambda p: keys(p) == {f"one/default/{first}", f"two/default/{added}"})
        demo.raw("PATCH", f"/1.0/images/{first}", json={"public": True})
        assert view.sees(lambda p: p["detail"]["public"]["on"])


def test_changes_of_two_servers_at_the_same_time_both_arrive(demo, panels):
    """One throttled step for all servers of a fleet showed the changes of the last one only."""
    with lxdimg_nb.connect(demo.url) as client, lxdimg_nb.demo.start(inventory=False) as other:
        panel = lxdimg_nb.Fleet({"one": client, "two": other.url}).panel()
        panels(panel)
        view = FrontEnd(panel).begin()
        assert view.sees(lambda p: p["header"]["live"] == "live")
        busy = threading.Event()
        panel.actor.post(lambda: busy.wait(60))

        image = demo.add_image(factory.small(1))
        with lxdimg_nb.connect(other.url) as second:
            made = second.images.create(factory.small(2), wait=True)
        assert until(lambda: all(len(images._live) for images in panel._lists))
        busy.set()

        assert view.sees(lambda p: keys(p) == {f"one/default/{image}", f"two/default/{made.fingerprint}"})


def test_the_members_of_one_cluster_are_told_to_have_the_same_images(demo, panels):
    """All of them show one certificate, as one server does under two names."""
    demo.add_image(factory.small(1))
    with lxdimg_nb.connect(demo.url) as client, lxdimg_nb.demo.start(inventory=False) as other:
        panel = Fleet({"c1": client, "c2": demo.url, "elsewhere": other.url}).panel()
        panels(panel)

        view = FrontEnd(panel).begin()

        assert view.sees(lambda p: p["header"]["product"] == "Fleet of 3 servers · c1, c2: the same images")
        assert view.sees(lambda p: (p["list"]["total"], p["list"]["bytes"]) == (2, "295 B"))


def test_a_password_of_a_server_is_not_shown(demo, panels):
    address = f"simplestreams+https://me:canary@127.0.0.1:{free_port()}/images"
    panel = Fleet([demo.url, address]).panel()
    panels(panel)
    view = FrontEnd(panel).begin()

    assert view.sees(lambda p: "127.0.0.1" in str(p["notices"]) and p["header"]["address"])
    assert "canary" not in str(view.parts) + panel.title() + repr(panel.get_state())
