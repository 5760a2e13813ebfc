"""What is left of a panel once it is closed, whatever it was doing: nothing."""

from __future__ import annotations

import gc
import threading
import weakref

import comm
import pytest
from ipywidgets.widgets import widget

import lxdimg_nb
from lxdimg_nb.inventory import Fleet
from lxdimg_nb.panels.base import actor
from lxdimg_nb.panels.base import panel as base
from lxdimg_nb.panels.base.transfers import transfers
from tests.kit import factory
from tests.kit.frontend import FrontEnd
from tests.kit.threads import ended_threads
from tests.kit.waiting import until


def listeners(demo):
    """How many connections the server sends its events to."""
    return demo.demo.in_loop(lambda daemon: len(daemon.events._listeners))


@pytest.mark.parametrize("which", ["images", "image", "fleet"])
def test_no_comm_and_no_widget_is_left(demo, which):
    """ipywidgets leaves that of the layout open, in the kernel and in every page."""
    demo.add_image(factory.small(1), aliases=["web"])
    with lxdimg_nb.connect(demo.url) as client:
        before = set(comm.get_comm_manager().comms), set(widget._instances)
        made = {"images": client.images, "image": client.images.get("web"), "fleet": Fleet({"one": client})}[which]
        panel = made.panel()
        layout = panel.layout
        view = FrontEnd(panel).begin()
        view.settle()

        panel.close()

        assert panel.actor.join()
        assert set(comm.get_comm_manager().comms) <= before[0]
        assert set(widget._instances) <= before[1]
        assert layout.comm is None


@pytest.mark.parametrize("which", ["images", "fleet"])
def test_a_list_that_comes_after_the_end_is_closed(demo, which):
    going, release = threading.Event(), threading.Event()
    before = threading.enumerate()
    with lxdimg_nb.connect(demo.url) as client:
        panel = client.images.panel() if which == "images" else Fleet({"one": demo.url}).panel()
        read = panel.read_lists
        panel.read_lists = lambda: (going.set(), release.wait(60), read())[2]
        FrontEnd(panel).say("hello")
        assert going.wait(60)

        panel.close()
        assert panel.actor.join()
        release.set()

        assert ended_threads(before, panel.actor.name)
        assert until(lambda: listeners(demo) == 0)
        assert ended_threads(before, "lxdimg-live")
        assert all(server.transport.closed for server in getattr(panel, "_clients", {}).values())


def test_a_list_that_was_read_for_a_static_table_alone_is_closed(demo):
    with lxdimg_nb.connect(demo.url) as client:
        panel = client.images.panel()
        panel._repr_mimebundle_()
        assert listeners(demo) == 1

        panel.close()

        assert until(lambda: listeners(demo) == 0)


def test_a_list_that_nobody_looks_at_is_closed_after_some_time(demo, monkeypatch):
    monkeypatch.setattr(base, "VIEW_SECONDS", 0.1)
    with lxdimg_nb.connect(demo.url) as client:
        panel = client.images.panel()
        panel._repr_mimebundle_()

        assert until(lambda: listeners(demo) == 0)
        assert FrontEnd(panel).begin().sees(lambda p: p["header"]["live"] == "live")
        panel.close()


def test_a_transfer_that_failed_does_not_keep_its_panel(demo, tmp_path):
    fingerprint = demo.add_image(factory.small(1))
    demo.demo.faults.add(path="/export", status=500)
    with lxdimg_nb.connect(demo.url) as client:
        panel = client.images.panel()
        view = FrontEnd(panel).begin()
        view.say("export", key=f"default/{fingerprint}", folder=str(tmp_path))
        assert view.sees(lambda p: p["transfers"][-1]["state"] == "failed")
        left, failed = weakref.ref(panel), list(transfers)[-1]

        panel.close()
        assert panel.actor.join()
        del view, panel

        # Its thread may still be telling the panels that it has ended.
        assert until(lambda: bool(gc.collect()) and left() is None)
        assert failed.error is not None
        assert failed.error.__traceback__ is not None
    transfers.forget()


def test_an_actor_that_is_closed_refuses_and_hands_results_over():
    made = actor.Actor("test")
    going, release, unwanted = threading.Event(), threading.Event(), []
    made.in_background(lambda: (going.set(), release.wait(60), 7)[2], unwanted.clear, unwanted.clear, unwanted.append)
    assert going.wait(60)

    made.close()
    assert made.join()
    release.set()

    assert until(lambda: unwanted == [7])
    assert not made.post(unwanted.clear)


def test_an_actor_does_not_remember_every_key_that_was_ever_throttled(monkeypatch):
    monkeypatch.setattr(actor, "THROTTLE_SECONDS", 0.0)
    made = actor.Actor("test")
    for i in range(50):
        made.throttle(f"list {i}", lambda: None)

    assert until(lambda: not made._timers and made._inbox.empty())
    assert len(made._ran) < 5
    made.close()
