"""A page that stays open for long: panels come and go, kernels are restarted, and nothing of them is left.

304 panels and 50 restarts, in `tests/run --long`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.kit import factory
from tests.kit.counts import count
from tests.kit.lab import Books, Notebook
from tests.kit.page_usage import grown_page, jupyter_server, page_usage
from tests.kit.servers import RunningServer
from tests.kit.waiting import until

AT_ONCE, ROUNDS, RESTARTS = 8, 38, 50

pytestmark = pytest.mark.long

OPEN = "panels = [client.images.panel() for _ in range({count})]\ndisplay(*panels)"
CLOSE = "for panel in panels: panel.close()"


def shown(book: Notebook, at: int, panels: int) -> None:
    """Wait until a cell shows so many panels with their lists."""
    expect(book.output(at).locator(".lxi-panel tbody")).to_have_count(panels)


def test_panels_that_come_and_go_leave_nothing_in_the_page(books: Books, demo: RunningServer) -> None:
    demo.add_image(factory.small(1), aliases=["web"])
    connect = f"import lxdimg_nb\nclient = lxdimg_nb.connect({demo.url!r})\npanels = []"
    book = books.notebook([connect, OPEN.format(count=AT_ONCE), CLOSE])
    book.run(0)

    def come_and_go() -> None:
        book.run(1)
        shown(book, 1, AT_ONCE)
        book.run(2)
        expect(book.output(1).locator(".lxi-panel")).to_have_count(0)

    come_and_go()
    before = page_usage(book)
    for _ in range(ROUNDS):
        come_and_go()

    left = grown_page(book, before)
    count("a long day: panels in a page", inputs=ROUNDS * AT_ONCE)
    print("panels in a page", before, page_usage(book))
    assert left == []
    # A canary: what is still open is counted.
    book.run(1)
    shown(book, 1, AT_ONCE)
    now = page_usage(book)
    assert now.panels == before.panels + AT_ONCE
    assert now.keys == before.keys + AT_ONCE
    assert now.models == before.models + 2 * AT_ONCE


# Sends a file as a user does. Playwright's own way keeps the element in memory, and all that it is part of.
SEND = """async () => {
  const panel = [...document.querySelectorAll('.jp-NotebookPanel:not(.lm-mod-hidden) .lxi-panel')].pop();
  const appears = async find => {
    for (let i = 0; i < 1000 && !find(); i++) await new Promise(done => setTimeout(done, 50));
    return find();
  };
  const button = word => [...panel.querySelectorAll('button')].find(one => one.textContent === word);
  panel.querySelector('.lxi-do-upload').click();
  const way = () => [...panel.querySelectorAll('label')].find(one => one.textContent.includes('on this computer'));
  (await appears(way)).click();
  const input = await appears(() => panel.querySelector('[data-name="file-image"]'));
  const chosen = new DataTransfer();
  chosen.items.add(new File([new Uint8Array(2000)], 'new.tar', {lastModified: 7}));
  input.files = chosen.files;
  input.dispatchEvent(new Event('change', {bubbles: true}));
  (await appears(() => button('Send and check'))).click();
  return Boolean(await appears(() => panel.querySelector('.lxi-upload [role=alert]')));
}"""


@pytest.fixture
def own() -> Iterator[Path]:
    """A folder for temporary ones, with a path so short that a demo server's socket can be there."""
    with tempfile.TemporaryDirectory(prefix="lxi-own-", dir="/tmp") as folder:
        yield Path(folder)


def test_kernels_that_are_restarted_leave_nothing(books: Books, demo: RunningServer, own: Path, tmp_path: Path) -> None:
    demo.add_image(factory.small(1), aliases=["web"])
    spool = tmp_path / "spool"
    book = books.notebook(
        [
            f"import lxdimg_nb, pathlib, tempfile\ntempfile.tempdir = {str(own)!r}\n"
            # A server within the kernel, too, which has a folder, a socket and threads.
            "server = lxdimg_nb.demo.start()\n"
            f"client = lxdimg_nb.connect({demo.url!r})\n"
            "display(lxdimg_nb.Fleet({'one': client, 'two': server.url}).panel())\n"
            f"panel = client.images.panel()\npanel.upload.spool.folder = pathlib.Path({str(spool)!r})\npanel",
            "panel.close()",
        ]
    )

    def use() -> None:
        book.run(0)
        shown(book, 0, 2)
        assert book.page.evaluate(SEND)

    use()
    before, memory = page_usage(book), jupyter_server().memory_info().rss
    for number in range(RESTARTS):
        book.restart_kernel()
        use()
        print("restart", number + 1, page_usage(book))

    count("a long day: kernel restarts", inputs=RESTARTS)
    # ipywidgets keeps the models of a kernel that is gone, in a page that stays open.
    assert grown_page(book, replace(before, models=before.models * (1 + RESTARTS))) == []
    print("restarts", before, page_usage(book), memory, jupyter_server().memory_info().rss)
    assert jupyter_server().memory_info().rss < 1.05 * memory
    # The same file goes on where it was, so there is one of it however often it was sent.
    assert len(list(spool.iterdir())) <= 1
    assert until(lambda: len(list(own.glob("lxdimg-*"))) == 1), list(own.iterdir())
    book.run(1)
    assert until(lambda: list(spool.iterdir()) == [])
    book.close()
    assert until(lambda: list(own.iterdir()) == []), list(own.iterdir())
