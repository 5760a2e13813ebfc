"""Saved notebooks with panels: small, escaped, and without secrets, in every front end."""

from __future__ import annotations

from types import SimpleNamespace

import nbclient
import nbformat
import pytest
from nbconvert import HTMLExporter, MarkdownExporter

from lxdimg_nb.panels.base import front_end
from tests.kit.kernel import ROOT, private_sockets

pytestmark = pytest.mark.slow

EVIL = "<img src=x onerror=alert(1)>"
CELLS = (
    """
import lxdimg_nb.client.live
from lxdimg_nb.values import ImageRecord
client = lxdimg_nb.connect({url!r})
def record(i):
    return ImageRecord({{
        "fingerprint": f"{{i:064x}}", "aliases": [{{"name": f"{{i}}-" + "<&" * 99, "description": {evil!r}}}],
        "properties": {{"description": {evil!r} * 5000, "os": {evil!r}}}, "filename": {evil!r},
        "update_source": {{"server": "https://h", "protocol": "lxd", "certificate": "THE-" "CERTIFICATE"}},
    }})
many = [record(i) for i in range(10_000)]
lxdimg_nb.client.live.list_records = lambda *_, **__: many
panel = client.images.panel()
panel
""",
    "panel.actor.post(lambda: setattr(panel.table, 'size', 100))\npanel",
)


@pytest.fixture(scope="module")
def saved(demo_daemon, tmp_path_factory):
    """A notebook with a panel of ten thousand images, run and kept with the state of its widgets."""
    folder = tmp_path_factory.mktemp("saved")
    made = []
    for number, cell in enumerate((CELLS[:1], CELLS)):
        book = nbformat.v4.new_notebook(
            cells=[
                nbformat.v4.new_code_cell(c.format(url=demo_daemon.url, evil=EVIL) if c is CELLS[0] else c)
                for c in cell
            ]
        )
        with pytest.MonkeyPatch.context() as patch, private_sockets() as settings:
            patch.setenv("PYTHONPATH", str(ROOT))
            patch.setenv("IPYTHONDIR", str(folder / "ipython"))
            nbclient.NotebookClient(book, config=settings, timeout=60, store_widget_state=True).execute()
        nbformat.write(book, folder / f"{number}.ipynb")
        made.append(folder / f"{number}.ipynb")
    return made


def test_a_notebook_with_ten_thousand_images_is_small_and_holds_no_secret(saved):
    for file in saved:
        text = file.read_text()
        assert "application/vnd.jupyter.widget-state+json" in text
        assert "10,000 images of" in text
        assert "THE-CERTIFICATE" not in text
    # Shown twice, a hundred on a page: the second table is as small as the first.
    assert saved[0].stat().st_size < 40_000
    assert saved[1].stat().st_size < saved[0].stat().st_size + 30_000


@pytest.mark.parametrize("exporter", [HTMLExporter, MarkdownExporter])
def test_pages_made_of_it_show_escaped_rows(saved, exporter):
    book = nbformat.read(saved[0], as_version=4)
    assert book.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]

    page, _ = exporter().from_notebook_node(book)

    assert '<script type="application/vnd.jupyter.widget-view+json"' not in page
    table = page[page.index('<div class="lxdimg ') :]
    assert "9999-" in table
    assert "&lt;img src=x" in table
    assert "<img" not in table


@pytest.mark.parametrize(
    ("says", "voila", "found"),
    [
        ({"allow_stdin": False}, "", False),
        ({"allow_stdin": True}, "", True),
        ({}, "", True),
        ({"allow_stdin": False}, "a kernel", True),
    ],
)
def test_a_front_end_is_told_from_a_program_that_runs_the_notebook(says, voila, found, monkeypatch):
    kernel = SimpleNamespace(get_parent=lambda _: {"content": says})
    monkeypatch.setattr(front_end, "get_ipython", lambda: SimpleNamespace(kernel=kernel))
    monkeypatch.setenv("VOILA_KERNEL_ID", voila)

    assert front_end.has_front_end() is found


def test_without_a_kernel_there_may_be_a_front_end():
    assert front_end.has_front_end()
