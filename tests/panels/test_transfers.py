"""The transfers of a kernel: how they run, fail and are cancelled."""

from __future__ import annotations

import threading

import pytest

from lxdimg_nb.errors import InvalidImageError, OperationCancelledError
from lxdimg_nb.panels.base.transfers import Transfers
from lxdimg_nb.values import Progress
from tests.kit.waiting import until


def test_a_transfer_is_cancelled_at_its_next_report():
    transfers, going = Transfers(), threading.Event()

    def work(report):
        going.set()
        while True:
            report(Progress("send", 1, 10))

    transfer = transfers.start("Upload x", work)
    assert going.wait(60)
    transfer.cancel()

    assert transfer.wait(60)
    assert (transfer.state, transfer.text) == ("cancelled", "Cancelled; nothing was left behind.")


def test_a_cancelled_transfer_says_so_at_once_and_ends_at_its_next_report():
    transfers, going, release = Transfers(), threading.Event(), threading.Event()
    told: list[str] = []

    def work(report):
        going.set()
        release.wait(60)
        report(Progress("send", 1, 10))

    transfer = transfers.start("Upload x", work)
    transfers.listen(lambda: told.append(transfer.view()["text"]))
    assert going.wait(60)
    transfer.cancel()

    assert told[-1] == "cancelling …"
    assert transfer.active
    release.set()
    assert transfer.wait(60)


def test_a_failed_transfer_says_why():
    transfers = Transfers()

    def work(report):
        raise InvalidImageError("this is no image")

    transfer = transfers.start("Upload x", work)

    assert transfer.wait(60)
    assert (transfer.state, transfer.view()["text"]) == ("failed", "This is no image.")


def test_no_more_than_three_transfers_run_at_once_and_a_waiting_one_can_be_cancelled():
    transfers, release = Transfers(), threading.Event()
    jobs = [transfers.start(f"job {n}", lambda _: release.wait(60)) for n in range(5)]

    assert until(lambda: sum(job.state == "running" for job in jobs) == 3)
    waiting = [job for job in jobs if job.state == "waiting"]
    said = waiting[0].view()["text"]
    waiting[0].cancel()
    at_once = waiting[0].wait(60)
    release.set()

    assert said == "waiting for its turn"
    assert at_once
    assert all(job.wait(60) for job in jobs)
    assert waiting[0].state == "cancelled"
    assert sorted(job.state for job in jobs) == ["cancelled", *["done"] * 4]


@pytest.mark.parametrize(
    ("given", "noted", "text"),
    [
        ("", "", "Cancelled; nothing was left behind."),
        ("it goes on where it stopped", "What came is kept.", "Cancelled; it goes on where it stopped."),
        ("", "The server had it all and cannot be stopped.", "Cancelled. The server had it all and cannot be stopped."),
    ],
)
def test_a_cancelled_transfer_says_what_is_left(given: str, noted: str, text: str):
    def work(report):
        error = OperationCancelledError("cancelled")
        if noted:
            error.add_note(noted)
        job.cancel()
        raise error

    begun = threading.Event()
    job = Transfers().start("job", lambda report: begun.wait(60) and work(report), cancelled_text=given)
    begun.set()

    assert job.wait(60)
    assert (job.state, job.text) == ("cancelled", text)


def test_finished_transfers_are_remembered_until_they_are_forgotten():
    transfers = Transfers()
    told = []
    stop = transfers.listen(lambda: told.append(1))
    job = transfers.start("job", lambda _: "it went well")
    assert job.wait(60)
    assert until(lambda: len(told) >= 3)

    assert [t.title for t in transfers] == ["job"]
    assert "It went well in" in repr(transfers)
    transfers.forget()
    assert list(transfers) == []
    stop()
