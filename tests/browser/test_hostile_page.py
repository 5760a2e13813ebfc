"""A hostile server's texts in a real JupyterLab: no script runs, no request leaves, nothing leaves its cell."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.kit import factory
from tests.kit.counts import count
from tests.kit.hostile_corpus import CORPUS, listing
from tests.kit.proxy import Fault, Proxy

# Elements that only markup of the server's could have made, and where they are.
STRANGE = """() => [...document.querySelectorAll(
  '.jp-OutputArea-output :is(script, iframe, form, link, svg[onload], math, [onerror])' +
  ', .jp-OutputArea-output [data-commandlinker-command], ' +
  '.jp-OutputArea-output :is(a[href^="javascript"], img[src*="evil"])')].map(found => found.outerHTML.slice(0, 200))"""


def test_no_script_runs_no_request_leaves_and_nothing_is_markup(books, demo, lab):
    demo.add_image(factory.small(1), aliases=["web"])
    left, dialogs = [], []
    lab.page.on("request", lambda request: "evil.invalid" in request.url and left.append(request.url))
    lab.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    with Proxy(demo.socket, demo.folder) as proxy:
        proxy.inject(Fault("rewrite", times=10**6, rewrite=listing), r"/1\.0/images\?", "GET")
        book = books.notebook(
            [
                f"import lxdimg_nb as lxdimg\n%load_ext lxdimg_nb\nclient = lxdimg.connect({proxy.url!r})",
                "%lxdimg connect $client",
                "client.images.df()",
                "client.images.all()",
                "%lxdimg list",
                "lxdimg.plan.set(client.images.df(), public=True)",
                "client.images.panel()",
            ]
        )
        for at in range(6):
            book.run(at)
        book.run(6, wait=False)
        panel = book.panel(6)
        expect(panel).to_contain_text(f"{len(CORPUS) + 1} images")
        panel.locator("tbody tr", has_text="window.owned").first.click()

        expect(panel.locator(".lxi-detail")).to_contain_text("window.owned")
        assert lab.page.evaluate("() => window.owned") is None
        assert lab.page.evaluate(STRANGE) == []
        # Markup that is planted is found.
        lab.page.evaluate(
            "() => document.querySelector('.jp-OutputArea-output').insertAdjacentHTML('beforeend', '<form></form>')"
        )
        assert lab.page.evaluate(STRANGE) == ["<form></form>"]
    assert (left, dialogs) == ([], [])
    count("hostile texts in JupyterLab", inputs=6 * len(CORPUS))
