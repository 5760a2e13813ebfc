"""A corpus of hostile texts through every table, message and file there is: shown as text, or as a stand-in."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb import Client, History
from lxdimg_nb.errors import LxdImageError
from lxdimg_nb.inventory import diff
from tests.kit import factory
from tests.kit.counts import count
from tests.kit.frontend import FrontEnd, panels
from tests.kit.hostile_corpus import CORPUS, PLAIN, listing, shown_safely
from tests.kit.hostile_text import assert_harmless
from tests.kit.proxy import Answer, Fault, Proxy
from tests.kit.servers import RunningServer

__all__ = ["panels"]


@pytest.fixture
def hostile(demo: RunningServer) -> Iterator[Proxy]:
    """A server whose list of images is the corpus."""
    demo.add_image(factory.small(1), ["web"])
    with Proxy(demo.socket, demo.folder) as proxy:
        proxy.inject(Fault("rewrite", times=10**6, rewrite=listing), r"/1\.0/images\?", "GET")
        yield proxy


@pytest.fixture
def client(hostile: Proxy) -> Iterator[Client]:
    with lxdimg_nb.connect(hostile.url) as connected:
        yield connected


def harmless(*values: Any) -> None:
    """Every form of a value that a notebook or a terminal shows."""
    for value in values:
        for text in (repr(value), str(value)):
            shown_safely(text)
        page = getattr(value, "_repr_html_", lambda: None)()
        if page is not None:
            assert_harmless(page)
        count("hostile texts", inputs=len(CORPUS))


FRAMES: dict[str, Callable[[Any], Any]] = {
    "frame": lambda df: df,
    "head": lambda df: df.head(20),
    "exposed": lambda df: df.lxdimg.exposed(),
    "stale": lambda df: df.lxdimg.stale("1D"),
    "duplicates": lambda df: df.lxdimg.duplicates(),
    "expired": lambda df: df.lxdimg.expired(),
    "eol": lambda df: df.lxdimg.eol(),
    "summary": lambda df: df.lxdimg.summary(),
    "summary by a property": lambda df: df.lxdimg.summary(["os", "release"]),
    "drift": lambda df: df.lxdimg.drift(),
    "show": lambda df: df.lxdimg.show(),
    "plan set": lambda df: lxdimg_nb.plan.set(df, public=True),
    "plan prune": lambda df: lxdimg_nb.plan.prune(df, keep_last=1, per=["os"]),
    "plan alias": lambda df: lxdimg_nb.plan.alias(df, "web", to=f"os={PLAIN}"),
    "changes": lambda df: diff(df, df.assign(size=1, description="other")),
    "additions": lambda df: diff(df.iloc[:3], df),
}


@pytest.mark.parametrize("name", FRAMES)
def test_every_table_of_a_hostile_inventory_is_text(client: Client, name: str) -> None:
    df = client.images.df()
    assert len(df) == len(CORPUS) + 1

    try:
        made = FRAMES[name](df)
    except LxdImageError as error:
        shown_safely(str(error))
    else:
        harmless(made)


def test_every_image_and_alias_is_text(client: Client) -> None:
    images = client.images.all()
    df = client.images.df()

    harmless(client, images, client.images, client.images.records(), *images)
    for image in images:
        harmless(image.record.update_source, *image.aliases)
        harmless(df.lxdimg.explain(image.fingerprint))


def test_no_cell_of_a_csv_file_is_a_formula(client: Client, tmp_path: Path) -> None:
    text = client.images.df().lxdimg.to_csv()

    assert text is not None
    # csv reads lines by themselves; a cell may not hold others.
    for row in csv.reader(io.StringIO(text)):
        for cell in row:
            assert not cell.startswith(("=", "+", "@", "-", "\t", "\r")) or cell.lstrip("-").isdigit()
            shown_safely(cell)


def test_a_history_gives_back_what_a_hostile_server_said(client: Client, tmp_path: Path) -> None:
    history = History(tmp_path / "history")
    df = client.images.df()

    record = history.record(df)

    assert sorted(p.name for p in tmp_path.iterdir()) == ["history"]
    harmless(history, record, history.at(), history.diff(record, record), history.timeline(PLAIN))
    assert list(history.at()["description"]) == list(df["description"])


def test_a_panel_is_told_texts_and_no_markup(client: Client, panels: Callable[[Any], None]) -> None:
    panel = client.images.panel()
    panels(panel)

    view = FrontEnd(panel).begin()

    assert view.parts["list"]["total"] == len(CORPUS) + 1
    harmless(panel)
    # What the browser gets is JSON, which its side puts into text nodes only.
    assert json.loads(json.dumps(view.parts)) == view.parts


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
def test_an_error_of_a_hostile_server_is_one_line(hostile: Proxy, client: Client, text: str) -> None:
    body = json.dumps({"type": "error", "error": text, "error_code": 400}).encode()

    def refuse(reply: Answer) -> bytes:
        return reply.render(status=400, body=body)

    hostile.heal()
    hostile.inject(Fault("rewrite", times=9, rewrite=refuse), r"/1\.0/images")

    with pytest.raises(LxdImageError) as caught:
        client.images.all()

    shown_safely(str(caught.value))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 5000
    harmless(caught.value)


@pytest.mark.parametrize("text", ["\x1b[31m", "a\u202eb", "\u200b", "\x00", "\u2028"])
def test_a_text_that_is_not_safe_in_a_terminal_is_noticed(text: str) -> None:
    with pytest.raises(AssertionError):
        shown_safely(text)


@pytest.mark.parametrize("text", [text for text in CORPUS if text.startswith(("<script", "<img", "<a ", "<form"))])
def test_markup_that_got_into_a_page_is_noticed(text: str) -> None:
    with pytest.raises(AssertionError):
        assert_harmless(f"<table><tr><td>{text}</td></tr></table>")
