"""The panel of images in a real JupyterLab: after each click the server is asked."""

from __future__ import annotations

import hashlib
from pathlib import Path

from playwright.sync_api import expect

from tests.kit import certificates, factory
from tests.kit.lab import SLOW, opened, sleep_until
from tests.kit.waiting import until


def test_a_click_on_the_public_switch_changes_the_image_on_the_server(books, server):
    fingerprint = server.add_image(factory.small(1), aliases=["web"])
    _, panel = books.browser(server)
    detail = opened(panel, fingerprint)
    switch = detail.get_by_role("switch", name="Public")

    switch.click()

    expect(detail.get_by_role("alertdialog")).to_contain_text("without any authentication")
    assert server.get(f"images/{fingerprint}")["public"] is False
    detail.get_by_role("button", name="Make public").click()
    expect(switch).to_have_attribute("aria-checked", "true")
    assert server.get(f"images/{fingerprint}")["public"] is True
    expect(panel.locator("tbody .lxi-is-public")).to_have_count(1)
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    assert server.get(f"images/{fingerprint}")["public"] is False


def test_auto_update_is_locked_and_says_why_without_a_source(books, lxd):
    fingerprint = lxd.add_image(factory.small(2))
    _, panel = books.browser(lxd)
    detail = opened(panel, fingerprint)
    switch = detail.get_by_role("switch", name="Auto-update")

    switch.click(force=True)

    expect(switch).to_have_attribute("aria-disabled", "true")
    expect(detail).to_contain_text("no source to update from")
    assert lxd.get(f"images/{fingerprint}")["auto_update"] is False


def test_a_file_is_checked_then_uploaded_with_its_alias(books, server, tmp_path):
    file = tmp_path / "web.tar.gz"
    file.write_bytes(factory.small(3))
    fingerprint = hashlib.sha256(file.read_bytes()).hexdigest()
    _, panel = books.browser(server)

    panel.locator(".lxi-do-upload").click()
    field = panel.get_by_label("Image file on the kernel's machine")
    field.fill(f"{tmp_path}/we")
    expect(panel.locator("datalist option")).to_have_attribute("value", str(file))
    field.fill(str(file))
    panel.get_by_role("button", name="Check").click()
    expect(panel.locator(".lxi-upload")).to_contain_text(fingerprint)
    assert server.get("images") == []
    panel.get_by_label("Aliases").fill("web web/3")
    panel.locator(".lxi-upload button[type=submit]").click()

    expect(panel.locator(".lxi-upload")).to_contain_text(f"Imported as {fingerprint[:12]}")
    image = server.get(f"images/{fingerprint}")
    assert image["public"] is False
    assert sorted(alias["name"] for alias in image["aliases"]) == ["web", "web/3"]
    expect(panel.locator("tbody tr")).to_have_count(1)


def test_an_image_is_exported_to_a_folder(books, server, tmp_path):
    data = factory.small(4)
    fingerprint = server.add_image(data)
    _, panel = books.browser(server)
    detail = opened(panel, fingerprint)

    detail.get_by_role("button", name="Export …").click()
    detail.get_by_label("Folder on the kernel's machine").fill(str(tmp_path))
    detail.get_by_role("button", name="Export", exact=True).click()

    expect(panel.locator(".lxi-job-done")).to_contain_text("verified")
    files = list(Path(tmp_path).iterdir())
    assert [path.read_bytes() for path in files] == [data]
    assert files[0].name.startswith(fingerprint)
    expect(panel.locator(".lxi-fetch")).to_have_count(0)


def test_an_export_below_the_servers_own_folder_is_fetched_by_a_link(books, lxd, lab):
    data = factory.small(4)
    fingerprint = lxd.add_image(data)
    _, panel = books.browser(lxd)
    detail = opened(panel, fingerprint)
    folder = lab.folder / "exports #1%"
    folder.mkdir()

    detail.get_by_role("button", name="Export …").click()
    detail.get_by_label("Folder on the kernel's machine").fill(str(folder))
    detail.get_by_role("button", name="Export", exact=True).click()
    with lab.page.expect_download(timeout=SLOW) as coming:
        panel.locator(".lxi-fetch").click(timeout=SLOW)

    assert Path(coming.value.path()).read_bytes() == data
    assert panel.locator(".lxi-fetch").get_attribute("rel") == "noopener"


def test_who_uses_an_image_is_shown_on_demand(books, server, lab):
    fingerprint = server.add_image(factory.small(1), aliases=["web"])
    _, panel = books.browser(server)
    detail = opened(panel, fingerprint)

    detail.get_by_text("Who uses it").click()

    expect(detail.locator(".lxi-explain")).to_contain_text("no instance or snapshot")
    expect(detail.locator(".lxi-explain")).to_contain_text("1 alias would vanish: web")


def test_an_image_that_is_deleted_elsewhere_is_reported(books, lxd):
    fingerprint = lxd.add_image(factory.small(5), public=True)
    _, panel = books.browser(lxd)
    detail = opened(panel, fingerprint)
    lxd.wait(lxd.raw("DELETE", f"/1.0/images/{fingerprint}"))

    detail.get_by_role("switch", name="Public").click()

    expect(panel.get_by_role("alert").first).to_contain_text("is gone")
    expect(panel.locator("tbody tr")).to_have_count(0)


def test_the_panel_works_while_a_cell_runs(books, lxd, tmp_path):
    fingerprint = lxd.add_image(factory.small(6), public=True)
    book, panel = books.browser(lxd, sleep_until(tmp_path / "go-on"))
    detail = opened(panel, fingerprint)
    book.run(1, wait=False)

    detail.get_by_role("switch", name="Public").click()

    assert until(lambda: lxd.get(f"images/{fingerprint}")["public"] is False)
    expect(detail.get_by_role("switch", name="Public")).to_have_attribute("aria-checked", "false")
    assert book.running(1)


def test_an_empty_project_and_a_dead_server_each_say_what_to_do(books, demo):
    _, panel = books.browser(demo)
    expect(panel).to_contain_text("No images here yet")

    demo.stop()
    panel.get_by_role("button", name="Reload").click()

    expect(panel).to_contain_text("The server does not answer")
    demo.restart()
    panel.get_by_role("button", name="Try again").click()
    expect(panel).to_contain_text("No images here yet")


def test_an_untrusted_client_is_told_how_to_be_trusted_and_can_change_nothing(books, lxd, tmp_path):
    url = lxd.listen()
    fingerprint = lxd.add_image(factory.small(1), public=True)
    lxd.add_image(factory.small(2))
    pinned = tmp_path / "server.crt"
    pinned.write_text(certificates.of_server(url))
    connect = f"lxdimg_nb.connect({url!r}, server_cert={str(pinned)!r})"
    book = books.notebook([f"import lxdimg_nb\nclient = {connect}\nclient.images.panel()"])
    book.run(0)
    panel = book.panel(0)

    expect(panel.get_by_role("note")).to_contain_text("config trust add")
    expect(panel.locator("tbody tr")).to_have_count(1)
    detail = opened(panel, fingerprint)
    detail.get_by_role("switch", name="Public").click(force=True)
    expect(detail.get_by_role("switch", name="Public")).to_have_attribute("aria-disabled", "true")
    expect(panel.locator(".lxi-do-upload, .lxi-do-delete")).to_have_count(0)
    assert lxd.get(f"images/{fingerprint}")["public"] is True


def test_outdated_images_are_shown_after_the_user_agrees_to_read_the_catalogue(books):
    start = "import lxdimg_nb\nserver = lxdimg_nb.demo.start()\nclient = lxdimg_nb.connect(server.url)\n"
    catalogue = 'lxdimg_nb.connect(f"simplestreams+{server.https_url}", server_cert=server.certificate)'
    count = f"print(len(client.images.df().lxdimg.outdated({catalogue})))"
    book = books.notebook([start + "panel = client.images.panel()\npanel", count])
    book.run(0)
    panel = book.panel(0)

    panel.get_by_role("button", name="Outdated").click()
    panel.get_by_role("button", name="Read them").click()

    expect(panel.locator(".lxi-asked")).to_contain_text("with a newer build")
    outdated = int(book.run(1).inner_text())
    assert outdated > 0
    expect(panel.locator("tbody tr")).to_have_count(outdated)


def test_ten_thousand_images_are_searched_and_paged_in_the_kernel(books, demo):
    book = books.notebook(
        [
            "import lxdimg_nb.client.live\nfrom lxdimg_nb.values import ImageRecord\n"
            f"client = lxdimg_nb.connect({demo.url!r})",
            "system = ('debian', 'ubuntu')\n"
            "many = [ImageRecord({'fingerprint': f'{i:064x}', 'properties': {'os': system[i % 2]}, 'size': i})"
            " for i in range(10_000)]\n"
            "lxdimg_nb.client.live.list_records = lambda *_, **__: many\n"
            "panel = client.images.panel()\npanel",
        ]
    )
    book.run(0)
    book.run(1)
    panel = book.panel(1)

    expect(panel.locator(".lxi-footer")).to_contain_text("10,000 images")
    panel.get_by_label("Search images").fill("os=ubuntu size>=9990")
    expect(panel.locator(".lxi-footer")).to_contain_text("5 of 10,000 images")
    expect(panel.locator("tbody tr")).to_have_count(5)
    panel.get_by_label("Search images").fill("os=ubuntu sise>1")
    expect(panel.locator(".lxi-problem")).to_contain_text("did you mean 'size'")
    expect(panel.locator("tbody tr")).to_have_count(5)


def test_a_panel_comes_up_while_the_next_cell_already_runs(books, lxd, tmp_path):
    """As with Run All: the panel's hello must not wait for the cells below."""
    fingerprint = lxd.add_image(factory.small(7), public=True)
    first = f"import lxdimg_nb\nclient = lxdimg_nb.connect({lxd.url!r})\nclient.images.panel()"
    book = books.notebook([first, sleep_until(tmp_path / "go-on")])
    book.run(0, wait=False)
    book.run(1, wait=False)

    panel = book.panel(0)
    detail = opened(panel, fingerprint)
    detail.get_by_role("switch", name="Public").click()

    assert until(lambda: lxd.get(f"images/{fingerprint}")["public"] is False)
    assert book.running(1)
