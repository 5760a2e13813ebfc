"""Front ends and kernels other than the newest JupyterLab: Notebook 7, and an ipykernel without subshells."""

from __future__ import annotations

import hashlib

from playwright.sync_api import expect

from tests.kit import factory
from tests.kit.lab import opened, sleep_until
from tests.kit.proxy import Proxy
from tests.kit.waiting import until


def test_the_panel_works_in_notebook_7(lab, lxd):
    fingerprint = lxd.add_image(factory.small(1), aliases=["web"])
    with lab.classic([f"import lxdimg_nb\nlxdimg_nb.connect({lxd.url!r}).images.panel()", "2"]) as book:
        book.run(0)
        panel, press, cells = book.panel(0), book.page.keyboard.press, book.sources()

        detail = opened(panel, fingerprint)
        switch = detail.get_by_role("switch", name="Public")
        switch.click()
        detail.get_by_role("button", name="Make public").click()
        expect(detail.get_by_role("status")).to_contain_text("Public off → on")
        assert lxd.get(f"images/{fingerprint}")["public"] is True
        lxd.raw("PATCH", f"/1.0/images/{fingerprint}", json={"public": False})
        expect(switch).to_have_attribute("aria-checked", "false")

        # Its page hears keys before the panel does.
        for key in ("a", "b", "d", "d", "x", "v", "ArrowDown"):
            press(key)
        expect(switch).to_be_focused()
        assert book.sources() == cells


def test_a_notebook_open_in_two_tabs_writes_only_what_is_clicked_and_shows_it_in_both(books, lab, lxd, tmp_path):
    fingerprint = lxd.add_image(factory.small(1), aliases=["web"], public=True)
    with Proxy(lxd.socket, tmp_path) as proxy:
        writes = lambda: [r for r in list(proxy.requests) if r[0] != "GET"]  # noqa: E731
        book, first = books.browser(proxy)
        detail = opened(first, fingerprint)
        book.save()
        with lab.another(book) as again:
            second = again.panel(0)
            switch = second.locator(".lxi-detail").get_by_role("switch", name="Public")
            expect(switch).to_have_attribute("aria-checked", "true")
            assert writes() == []

            switch.click()

            expect(detail.get_by_role("switch", name="Public")).to_have_attribute("aria-checked", "false")
            assert lxd.get(f"images/{fingerprint}")["public"] is False
            assert len(writes()) == 1
        # The tab that is left goes on.
        detail.get_by_role("switch", name="Public").click()
        detail.get_by_role("button", name="Make public").click()
        assert until(lambda: lxd.get(f"images/{fingerprint}")["public"] is True)
        # Run once more, it shows the same and writes nothing.
        book.run(0)
        expect(book.panel(0).locator("tbody .lxi-is-public")).to_have_count(1)
        assert len(writes()) == 2


def test_a_panel_says_that_a_kernel_without_subshells_is_busy_and_goes_on_afterwards(books, lxd, old_kernel, tmp_path):
    fingerprint = lxd.add_image(factory.small(1), public=True)
    file, go_on = tmp_path / "web.tar.gz", tmp_path / "go-on"
    file.write_bytes(factory.small(2))
    sent = hashlib.sha256(file.read_bytes()).hexdigest()
    book = books.notebook(
        [
            f"import lxdimg_nb\nlxdimg_nb.connect({lxd.url!r}).images.panel()",
            "import ipykernel; print(ipykernel.__version__)",
            sleep_until(go_on),
        ],
        kernel=old_kernel,
    )
    book.run(0)
    panel = book.panel(0)
    assert book.run(1).inner_text().startswith("6.")
    detail = opened(panel, fingerprint)
    switch = detail.get_by_role("switch", name="Public")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    assert lxd.get(f"images/{fingerprint}")["public"] is False

    book.run(2, wait=False)
    switch.click()
    detail.get_by_role("button", name="Make public").click()
    panel.locator(".lxi-do-upload").click()
    panel.get_by_text("A file on this computer").click()
    panel.locator('[data-name="file-image"]').set_input_files(file)
    panel.get_by_role("button", name="Send and check").click()

    expect(panel.get_by_text("it is busy with a cell")).to_be_visible()
    assert (len(lxd.get("images")), lxd.get(f"images/{fingerprint}")["public"]) == (1, False)
    go_on.touch()
    expect(panel.locator(".lxi-upload")).to_contain_text(sent)
    expect(panel.get_by_text("it is busy with a cell")).to_have_count(0)
    assert until(lambda: lxd.get(f"images/{fingerprint}")["public"] is True)
    panel.locator(".lxi-upload").get_by_role("button", name="Upload", exact=True).click()
    expect(panel.locator(".lxi-upload")).to_contain_text("Imported as")
    assert lxd.get(f"images/{sent}")["fingerprint"] == sent
