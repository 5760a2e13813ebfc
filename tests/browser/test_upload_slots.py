"""Files sent from the browser, in a real JupyterLab, to real servers."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.kit import container_images as oci
from tests.kit import factory
from tests.kit.lab import sleep_until
from tests.kit.waiting import until

MIB = 1 << 20


@pytest.fixture
def spool(monkeypatch, tmp_path):
    return tmp_path / "spool"


def own_spool(folder: Path) -> str:
    return f"import pathlib\npanel.upload.spool.folder = pathlib.Path({str(folder)!r})"


RESTARTS = """
from lxdimg_nb.panels.upload.spool_file import SpoolFile
restarted, restart = [], SpoolFile.restart
SpoolFile.restart = lambda file: (restarted.append(file.have), restart(file))
"""


def begin(panel, *files):
    panel.locator(".lxi-do-upload").click()
    panel.get_by_text("A file on this computer").click()
    for slot, file in zip(("image", "second"), files, strict=False):
        panel.locator(f'[data-name="file-{slot}"]').set_input_files(file)
    panel.get_by_role("button", name="Send and check").click()


def begin_slowly(lab, panel, file):
    """Begin to send over a slow line, until some of it is there; returns what makes the line quick again."""
    line = lab.page.context.new_cdp_session(lab.page)
    line.send("Network.enable")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 6 * MIB}
    line.send("Network.emulateNetworkConditions", slow)
    begin(panel, file)
    bar = panel.locator(".lxi-upload .lxi-bar")
    expect(bar).to_have_attribute("aria-valuenow", re.compile("[1-9]"))
    return lambda: line.send("Network.emulateNetworkConditions", slow | {"uploadThroughput": -1})


@pytest.fixture
def way(request, lab):
    """`comm`: the Jupyter server does not know our extension. `server`: it does."""
    puts = []
    if request.param == "comm":
        lab.page.route("**/lxdimg/spool/**", lambda route: route.fulfill(status=404))
    lab.page.on("request", lambda r: puts.append(r.url) if r.method == "PUT" and "/lxdimg/spool/" in r.url else None)
    yield request.param, puts
    lab.page.unroute("**/lxdimg/spool/**")


def in_spool(spool: Path) -> list[Path]:
    return list(spool.iterdir()) if spool.is_dir() else []


@pytest.mark.parametrize("way", ["comm", "server"], indirect=True)
def test_a_file_of_this_computer_is_sent_while_a_cell_sleeps(books, server, way, tmp_path):
    file = tmp_path / "big.tar.gz"
    fingerprint = factory.big(file, (64 if server.kind == "lxd" else 24) * MIB, seed=1)
    book, panel = books.browser(server, "print(panel.upload.spool.folder)", sleep_until(tmp_path / "go-on"))
    spool = Path(book.run(1).inner_text().strip())
    book.run(2, wait=False)

    begin(panel, file)

    upload = panel.locator(".lxi-upload")
    expect(upload).to_contain_text(fingerprint)
    # The folder is the user's: other tests may have files in it.
    received = [path for path in in_spool(spool) if path.stat().st_size == file.stat().st_size]
    assert received
    assert server.get("images") == []
    assert len(way[1]) == (1 if way[0] == "server" else 0)
    upload.get_by_role("button", name="Upload", exact=True).click()
    expect(upload).to_contain_text("Imported as")
    assert book.running(2)
    image = server.get(f"images/{fingerprint}")
    assert (image["size"], image["filename"]) == (file.stat().st_size, "big.tar.gz")
    assert until(lambda: not [path for path in received if path.exists()])


def test_the_two_files_of_a_split_image_are_told_by_content(books, lxd, tmp_path):
    metadata, rootfs = factory.split(2)
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(metadata)
    second.write_bytes(rootfs)
    fingerprint = hashlib.sha256(metadata + rootfs).hexdigest()
    _, panel = books.browser(lxd)

    begin(panel, first, second)

    upload = panel.locator(".lxi-upload")
    expect(upload).to_contain_text(fingerprint)
    expect(upload).to_contain_text("sent in the right order")
    # Twice: habit from desktops.
    upload.get_by_role("button", name="Upload", exact=True).dblclick()
    expect(upload).to_contain_text("Imported as")
    assert lxd.get(f"images/{fingerprint}")["fingerprint"] == fingerprint


@pytest.mark.parametrize("way", ["comm", "server"], indirect=True)
def test_a_cancelled_file_leaves_nothing_behind(books, lab, lxd, way, spool, tmp_path):
    file = tmp_path / "big.tar.gz"
    factory.big(file, 32 * MIB, seed=3)
    book, panel = books.browser(lxd, own_spool(spool))
    book.run(1)

    quick = begin_slowly(lab, panel, file)
    panel.locator(".lxi-upload").get_by_role("button", name="Cancel").click()
    quick()

    expect(panel.locator(".lxi-job-cancelled")).to_contain_text("Cancelled")
    assert until(lambda: in_spool(spool) == [])
    assert lxd.get("images") == []


@pytest.mark.parametrize("way", ["comm", "server"], indirect=True)
def test_after_a_reload_of_the_page_the_same_file_goes_on_where_it_was(books, lab, lxd, way, spool, tmp_path):
    file = tmp_path / "big.tar.gz"
    fingerprint = factory.big(file, 24 * MIB, seed=4)
    book, panel = books.browser(lxd, own_spool(spool), RESTARTS, "print(restarted)")
    book.run(1)
    book.run(2)
    book.save()
    quicken = begin_slowly(lab, panel, file)

    lab.load()
    quicken()
    came = sum(p.stat().st_size for p in in_spool(spool))
    assert 0 < came < file.stat().st_size
    lab.open(book)
    panel = book.panel(0)
    panel.locator(".lxi-do-upload").click()
    expect(panel.locator(".lxi-upload")).to_contain_text("This page does not send it")
    panel.get_by_role("button", name="Choose the file again").click()
    panel.locator('[data-name="file-image"]').set_input_files(file)
    panel.get_by_role("button", name="Send and check").click()

    expect(panel.locator(".lxi-upload")).to_contain_text(fingerprint)
    assert lxd.get("images") == []
    # Nothing that had come was sent again.
    assert book.run(3).inner_text().strip() == "[]"


@pytest.mark.parametrize("way", ["comm"], indirect=True)
def test_after_a_restart_of_the_kernel_the_same_file_goes_on_where_it_was(books, lab, lxd, way, spool, tmp_path):
    file = tmp_path / "big.tar.gz"
    fingerprint = factory.big(file, 24 * MIB, seed=5)
    book, panel = books.browser(lxd, own_spool(spool), RESTARTS, "print(restarted)")
    book.run(1)
    quicken = begin_slowly(lab, panel, file)

    book.restart_kernel()
    quicken()
    expect(panel.get_by_text(re.compile("lost its kernel|not answer")).first).to_be_visible()
    came = sum(p.stat().st_size for p in in_spool(spool))
    assert 0 < came < file.stat().st_size
    book.run(0)
    book.run(1)
    book.run(2)
    panel = book.panel(0)
    begin(panel, file)

    expect(panel.locator(".lxi-upload")).to_contain_text(fingerprint)
    assert lxd.get("images") == []
    assert book.run(3).inner_text().strip() == "[]"


def test_a_file_that_is_no_image_is_refused_before_anything_goes_to_the_server(books, lxd, tmp_path):
    file = tmp_path / "letter.txt"
    file.write_bytes(b"Dear server,\n" * 100)
    _, panel = books.browser(lxd)

    begin(panel, file)

    expect(panel.locator(".lxi-upload").get_by_role("alert").first).to_contain_text("no archive")
    expect(panel.locator(".lxi-upload").get_by_role("button", name="Upload", exact=True)).to_have_count(0)
    assert lxd.get("images") == []


def test_a_docker_save_file_becomes_an_image_with_metadata_that_are_made(books, lxd, tmp_path):
    file = tmp_path / "app.tar"
    file.write_bytes(oci.docker_save(oci.Image([oci.system()])))
    _, panel = books.browser(lxd)
    upload = panel.locator(".lxi-upload")

    begin(panel, file)
    expect(upload.get_by_role("alert")).to_contain_text("it is a container image")
    upload.get_by_label("Release").fill("9")
    upload.get_by_role("button", name="Make the metadata").click()
    expect(upload).to_contain_text("debian (/usr/lib/os-release: ID)")
    upload.get_by_label("Aliases").fill("app")
    upload.get_by_role("button", name="Upload", exact=True).click()

    expect(upload).to_contain_text("Imported as")
    image = lxd.get(f"images/{lxd.get('images/aliases/app')['target']}")
    assert (image["properties"]["os"], image["properties"]["release"]) == ("debian", "9")
