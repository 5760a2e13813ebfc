"""What every panel does: messages in and out, its thread, its views, and what a notebook keeps of it."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb.panels.base import assets
from tests.kit import factory
from tests.kit.frontend import FrontEnd, browser, opened, panels
from tests.kit.threads import ended_threads, new_threads
from tests.kit.waiting import until

__all__ = ["panels"]


def test_malformed_messages_change_nothing(demo, panels, tmp_path, monkeypatch):
    # An export without a folder goes to the current one.
    monkeypatch.chdir(tmp_path)
    fingerprint = demo.add_image(factory.small(1), properties={"a": "b"})
    before = demo.get(f"images/{fingerprint}")
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        key = f"default/{fingerprint}"
        hostile = [None, 7, -1, [], {}, "x" * 100_000, True, ["x", 3, None]]
        for kind in list(view.panel._handlers):
            for value in hostile:
                if kind in ("delete", "bye"):
                    continue
                fields = (
                    "field",
                    "value",
                    "query",
                    "chips",
                    "column",
                    "page",
                    "size",
                    "columns",
                    "keys",
                    "what",
                    "project",
                )
                view.say(kind, **{"key": key if value else value, **dict.fromkeys(fields, value)})
        view.say("no such thing")
        view.say("set", key="default/" + "0" * 64, field="public", value=True, confirmed=True)
        view.say("edit", key=key, field="fingerprint", value="x")
        view.say("delete", key=key)
        view.settle()

        assert view.sees(lambda p: p["list"]["state"] == "ready")
        assert demo.get(f"images/{fingerprint}") == before


def test_no_trait_of_a_panel_holds_data_that_a_notebook_would_save(server, client, panels):
    fingerprint = server.add_image(factory.small(1), aliases=["very-private-name"])
    view = browser(client, panels)
    opened(view, fingerprint)

    state = json.dumps(view.panel.get_state(), default=str)

    assert "very-private-name" not in state
    assert fingerprint[:12] not in state
    # The script and the style, which a page asks for once, are not in it.
    assert len(state) < 5_000


def test_a_page_that_asks_gets_script_and_style_once_however_often_it_asked(demo, panels):
    folder = Path(assets.__file__).parents[1] / "bundle"
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        # As from a page that waited for a busy kernel.
        for _ in range(20):
            view.panel._handle_custom_msg({"type": "load"}, [])

        assert until(lambda: "bundle" in [told["type"] for told in view.told])
        view.settle()
        sent = [told for told in view.told if told["type"] == "bundle"]
        assert len(sent) <= 2
        assert [gzip.decompress(buffer) for buffer in view.buffers] == [
            (folder / name).read_bytes() for name in ("panel.js", "panel.css")
        ]
        # The loader takes no other.
        assert sent[0]["version"] in view.panel.get_state()["_esm"]


def test_the_static_table_is_small_and_escaped(demo, panels):
    demo.add_image(factory.small(1), properties={"description": "<script>alert(1)</script>"}, aliases=["web"])
    with lxdimg_nb.connect(demo.url) as client:
        panel = client.images.panel()
        panels(panel)

        data, _ = panel._repr_mimebundle_()

    assert "application/vnd.jupyter.widget-view+json" in data
    assert "web" in data["text/plain"]
    assert "&lt;script&gt;" in data["text/html"]
    assert "<script" not in data["text/html"]


def test_two_views_of_a_panel_show_the_same_and_neither_writes(demo, panels):
    fingerprint = demo.add_image(factory.small(1))
    before = demo.get(f"images/{fingerprint}")
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        count = len(demo.demo.requests)
        view.say("hello", view="second")
        view.settle()
        view.say("hello", view="test")
        view.settle()

        assert [r for r in list(demo.demo.requests)[count:] if r[0] != "GET"] == []
        assert demo.get(f"images/{fingerprint}") == before


def test_a_panel_sends_from_its_own_thread_only(demo, panels):
    fingerprint = demo.add_image(factory.small(1))
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        opened(view, fingerprint)
        view.say("set", key=f"default/{fingerprint}", field="public", value=True, confirmed=True)
        assert view.sees(lambda p: p["detail"]["public"]["on"])

        assert view.threads == {view.panel.actor.name}


def test_each_answer_says_how_many_messages_with_parts_came_before(server, client, panels):
    server.add_image(factory.small(1), aliases=["web"])
    view = browser(client, panels)
    before = len(view.told)

    view.say("search", query="web")
    assert view.sees(lambda p: p["list"]["query"] == "web")
    view.say("here")
    view.settle()

    answers = [i for i, said in enumerate(view.told) if said["type"] == "heard"]
    assert answers[-1] > before
    assert [view.told[i]["told"] for i in answers] == [
        sum(said["type"] == "parts" for said in view.told[:i]) for i in answers
    ]


def test_closing_a_panel_ends_its_threads_and_its_connection(server, client):
    server.add_image(factory.small(1))
    before = threading.enumerate()
    panel = client.images.panel()
    view = FrontEnd(panel).begin()
    assert view.sees(lambda p: p["header"]["live"] == "live")

    panel.close()

    assert panel.actor.join()
    assert ended_threads(before), new_threads(before)


@pytest.mark.parametrize("kind", ["hello", "here", "search"])
def test_a_panel_without_views_stops_listening_until_there_is_one_again(demo, panels, kind):
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        assert view.sees(lambda p: p["header"]["live"] == "live")
        view.say("bye")
        view.settle()
        assert view.panel._lists == []
        fingerprint = demo.add_image(factory.small(1))

        # It was not told to go but was silent for long: whatever it says, it is there.
        view.say(kind)

        assert view.sees(lambda p: p["header"]["live"] == "live")
        assert view.sees(lambda p: p["list"]["rows"][0]["key"].endswith(fingerprint))


def test_a_first_panel_does_not_bring_pandas(demo):
    """That takes longer than all the rest of it."""
    demo.add_image(factory.small(1), aliases=["web"])
    code = f"""
import sys, lxdimg_nb
with lxdimg_nb.connect({demo.url!r}) as client:
    for panel in (client.images.panel(), client.images.get("web").panel()):
        print("web" in panel._repr_mimebundle_()[0]["text/plain"], "pandas" in sys.modules)
        panel.close()
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["True", "False"] * 2
