"""The progress of long calls, and cancelling them."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import pytest

from lxdimg_nb import Client
from lxdimg_nb.client.files.progress import Cancel, reporting
from lxdimg_nb.errors import OperationCancelledError
from lxdimg_nb.values import Progress
from tests.kit import factory, newer
from tests.kit.servers import RunningServer
from tests.kit.threads import ended_threads, new_threads

MIB = 1024 * 1024


def test_true_shows_a_bar_that_is_removed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr("tqdm.std.time", lambda: float(next(clock)))
    with reporting(True, "thing") as report:
        for done in range(0, 101, 10):
            report(Progress("send", done * MIB, 100 * MIB))
        report(Progress("server", 50, 100, "unpacking"))

    shown = capsys.readouterr().err
    assert "thing sending" in shown
    assert "40.0M/100M" in shown
    assert shown.endswith("\r")


def test_a_quick_call_shows_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting(True, "thing") as report:
        report(Progress("hash", 1, 1))
        report(Progress("send", 1, 1))

    assert capsys.readouterr().err.strip() == ""


def test_none_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting(None) as report:
        report(Progress("send", 1, 2))

    assert capsys.readouterr().err == ""


@pytest.fixture
def big(tmp_path: Path) -> Path:
    path = tmp_path / "big.tar"
    factory.big(path, 8 * MIB, seed=1)
    return path


def test_an_upload_is_cancelled_from_another_thread_and_leaves_nothing(
    server: RunningServer, client: Client, big: Path
) -> None:
    reached, cancelled = threading.Event(), threading.Event()

    def report(progress: Progress) -> None:
        if progress.phase == "send" and progress.done >= MIB:
            reached.set()
            cancelled.wait(60)

    stop = Cancel(report)

    def from_elsewhere() -> None:
        reached.wait(60)
        stop.cancel()
        cancelled.set()

    thread = threading.Thread(target=from_elsewhere)
    thread.start()
    with pytest.raises(OperationCancelledError):
        client.images.create(big, wait=True, progress=stop)
    thread.join()

    assert stop.cancelled
    assert server.get("images") == []
    assert client.images.create(big, wait=True).size == big.stat().st_size


def test_an_interrupt_while_sending_leaves_nothing(server: RunningServer, client: Client, big: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.phase == "send" and progress.done >= MIB:
            raise KeyboardInterrupt

    before = threading.enumerate()
    with pytest.raises(KeyboardInterrupt):
        client.images.create(big, wait=True, progress=interrupt)

    assert server.get("images") == []
    assert ended_threads(before), new_threads(before)
    assert client.images.all() == []


def test_an_interrupt_while_the_server_works_says_what_became_of_the_image(
    server: RunningServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lxdimg_nb.client.operations.Operations.wait", interrupted)

    with pytest.raises(KeyboardInterrupt) as caught:
        client.images.create(factory.small(1), wait=True)

    if getattr(caught.value, "__notes__", ()):
        assert "received the whole image" in "".join(caught.value.__notes__)
    else:
        # LXD 6.7 and newer cancel whatever has not ended.
        assert newer.speaks(server, "ALWAYS_CANCELLABLE")
        assert server.get("images") == []
    assert server.alive


def test_the_reported_progress_is_correct(server: RunningServer, client: Client, big: Path, tmp_path: Path) -> None:
    sent: list[Progress] = []
    received: list[Progress] = []

    image = client.images.create(big, wait=True, progress=sent.append)
    image.export(tmp_path, progress=received.append)

    size = big.stat().st_size
    for phase, seen in (("send", sent), ("receive", received)):
        steps = [p for p in seen if p.phase == phase]
        assert all(p.total == size for p in steps)
        assert [p.done for p in steps] == sorted(p.done for p in steps)
        assert len(steps) >= 8
    assert [p for p in sent if p.phase == "send"][-1].done == size
