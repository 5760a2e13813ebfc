"""The verbs of %lxdimg that read: check, contents, diff, monitor, panel, used-by."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.kit import factory
from tests.kit.clocks import YEARS, date_header, stamp
from tests.kit.counts import count
from tests.kit.hostile_server import HostileServer
from tests.kit.inventories import fingerprint, image
from tests.kit.kernel import Kernel
from tests.kit.servers import RunningServer


@pytest.mark.slow
def test_used_by_names_the_instances(kernel: Kernel, server: RunningServer) -> None:
    server.add_instance("c1", server.add_image(factory.small(1), aliases=["web"]))

    assert kernel.value("%lxdimg used-by web") == ["default/c1"]
    kernel.run("df = %lxdimg list --used-by\n")
    assert kernel.value("list(df.used_by)") == [["default/c1"]]


def test_check_inspects_a_file_and_sends_nothing(
    kernel: Kernel, server: RunningServer, web: str, tmp_path: Path
) -> None:
    (tmp_path / "there.tar.gz").write_bytes(factory.small(1))
    (tmp_path / "new.tar.gz").write_bytes(factory.small(2))

    kernel.run(f"a = %lxdimg check {tmp_path}/there.tar.gz\nb = %lxdimg check {tmp_path}/new.tar.gz\n")

    assert kernel.value("a.exists, a.ok, a.fingerprint, b.exists, b.ok") == (True, False, web, False, True)
    assert "already there yes" in " ".join(kernel.run("a").text.split())
    assert len(server.get("images")) == 1


def test_contents_lists_the_files_and_compares_two_images(kernel: Kernel, server: RunningServer) -> None:
    server.add_image(factory.small(1, rootfs_files={"etc/one": b"1"}), aliases=["one"])
    server.add_image(factory.small(1, rootfs_files={"etc/two": b"22"}), aliases=["two"])

    kernel.run("files = %lxdimg contents one\nchanges = %lxdimg contents one two\n")

    assert "rootfs/etc/one" in kernel.value("list(files.index)")
    assert "0644" in kernel.run("files").text
    assert kernel.value("changes.change.astype(str).to_dict()") == {
        "rootfs/etc/one": "removed",
        "rootfs/etc/two": "added",
    }


def test_diff_compares_a_frame_with_now(kernel: Kernel, server: RunningServer, web: str) -> None:
    kernel.run("before = %lxdimg list\npart = %lxdimg list os=Nothing\n")
    server.raw("PATCH", f"/1.0/images/{web}", json={"public": True})
    new = server.add_image(factory.small(2))

    kernel.run("changes = %lxdimg diff $before\n")

    assert kernel.value("sorted(zip(changes.fingerprint, changes.change.astype(str), changes.field))") == sorted(
        [(web, "changed", "public"), (new, "added", "")]
    )
    assert "part of an inventory" in kernel.run("%lxdimg diff $part", ok=False).stderr


def test_diff_reads_a_history(kernel: Kernel, server: RunningServer, web: str, tmp_path: Path) -> None:
    kernel.run(f"import lxdimg_nb\nhistory = lxdimg_nb.History({str(tmp_path / 'h')!r})")
    kernel.run("df = %lxdimg list\n")
    kernel.run("record = history.record(df)")
    server.raw("PATCH", f"/1.0/images/{web}", json={"public": True})
    kernel.run("df = %lxdimg list\n")
    kernel.run("record = history.record(df)")

    kernel.run(f"changes = %lxdimg diff {tmp_path}/h\n")

    assert kernel.value("list(changes.field)") == ["public"]


@contextmanager
def changing(server: RunningServer, fingerprint: str) -> Iterator[None]:
    """An image that is changed again and again: whoever begins to listen hears of the next change."""
    over = threading.Event()

    def change() -> None:
        public = False
        while not over.wait(0.1):
            public = not public
            server.raw("PATCH", f"/1.0/images/{fingerprint}", json={"public": public})

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_monitor_shows_events_and_returns_them(kernel: Kernel, server: RunningServer, web: str) -> None:
    with changing(server, web):
        cell = kernel.run("events = %lxdimg monitor --types lifecycle --count 1 --for 60s\n")

    assert "image-updated" in cell.stdout
    assert kernel.value("list(events.what)") == ["image-updated"]
    assert web in kernel.value("events.source.iloc[0]")


def test_monitor_ends_after_its_time_or_an_interrupt(kernel: Kernel, server: RunningServer, web: str) -> None:
    assert kernel.run("events = %lxdimg monitor --for 1s\n").status == "ok"

    with changing(server, web):
        request = kernel.client.execute("events = %lxdimg monitor --for 300s\n")
        kernel.until_printed(request, "image-updated")
    kernel.manager.interrupt_kernel()
    cell = kernel.finish(request)

    assert cell.status == "ok"
    assert kernel.value("type(events).__name__") == "Listing"


def test_panel_shows_all_images_or_one(kernel: Kernel, web: str) -> None:
    kernel.run("panel = %lxdimg panel\none = %lxdimg panel web\n")

    assert kernel.value("type(panel).__name__, type(one).__name__") == ("ImagesPanel", "ImagePanel")
    kernel.run("panel.close(); one.close()")


@pytest.mark.parametrize("ahead", [YEARS, -YEARS], ids=["ahead", "behind"])
def test_a_server_whose_clock_is_ten_years_off_is_told_of(shared_kernel: Kernel, ahead: timedelta) -> None:
    words = f"{'10 years ahead of' if ahead > timedelta(0) else '10 years behind'} this machine's"
    with HostileServer(image(1, uploaded_at=stamp(datetime.now(UTC) + ahead))) as server:
        server.date = date_header(ahead)
        one = fingerprint(1)
        told = [shared_kernel.run(line).text for line in (f"%lxdimg connect {server.url}", "%lxdimg", "%lxdimg list")]
        old = shared_kernel.value("len(get_ipython().run_line_magic('lxdimg', 'list age>90d'))")
        shown = [shared_kernel.run(line).text for line in (f"%lxdimg info {one}", f"%lxdimg show {one}")]

    assert [words in " ".join(text.split()) for text in told] == [True] * 3
    assert old == 0
    assert all(shown)
    count("a clock ten years off", inputs=1, survived=1)
