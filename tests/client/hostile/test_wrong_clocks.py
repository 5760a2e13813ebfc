"""A server whose clock is ten years off, in either direction, or says nonsense: the client, a live list, changes."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

import lxdimg_nb
from lxdimg_nb import Client
from lxdimg_nb.client.live import Live
from lxdimg_nb.client.verbs.write import wait
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.values import Operation
from tests.client.hostile.test_hostile_events import created, deleted
from tests.kit.clocks import YEARS, date_header, stamp
from tests.kit.counts import count
from tests.kit.hostile_server import OPERATION, HostileServer, Peer, Request, envelope, http_reply, operation, survives
from tests.kit.inventories import fingerprint, image
from tests.kit.waiting import until

ONE, TWO, THREE = fingerprint(1), fingerprint(2), fingerprint(3)
BOTH = pytest.mark.parametrize("ahead", [YEARS, -YEARS], ids=["ahead", "behind"])
KIND = "a clock ten years off"


@BOTH
def test_the_client_says_how_far_the_clock_is_off(lying: HostileServer, ahead: timedelta) -> None:
    lying.date = date_header(ahead)

    with lxdimg_nb.connect(lying.url) as client:
        shown = str(client.info.table())

        assert client.info.clock == f"10 years {'ahead of' if ahead > timedelta(0) else 'behind'}"
        assert f"{client.info.clock} this machine's" in " ".join(shown.split())
        assert abs(client.transport.clock_offset - ahead.total_seconds()) < 60
    count(KIND, inputs=1, survived=1)


def test_a_clock_that_is_right_is_not_spoken_of(lying: HostileServer, client: Client) -> None:
    lying.date = date_header(timedelta(seconds=20))

    assert client.reload().clock == ""
    assert "clock" not in str(client.info.table())


@pytest.mark.parametrize(
    "date",
    [
        "nonsense",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Mon, 99 Foo 99999 99:99:99 +99999999",
        "Thu, 28 Nov 2026 25:61:61 GMT",
        "9" * 20_000,
        "\x80\xff",
        "Thu, 01 Jan 1969 00:00:00 GMT",
        ", , ,",
    ],
)
def test_a_date_that_makes_no_sense_is_no_date(lying: HostileServer, date: str) -> None:
    lying.date = date

    def ask() -> None:
        with lxdimg_nb.connect(lying.url) as client:
            assert client.info.clock == ""
            assert len(client.images.df()) == 2

    assert survives(KIND, ask) is None


@BOTH
def test_ages_are_counted_by_the_clock_that_makes_images_look_younger(lying: HostileServer, ahead: timedelta) -> None:
    lying.date = date_header(ahead)
    now = datetime.now(UTC) + ahead
    for name, days in ((ONE, 1), (TWO, 200)):
        lying.images[name] |= {"uploaded_at": stamp(now - timedelta(days=days))}
    lying.images[THREE] = image(3, uploaded_at=stamp(datetime.now(UTC) - timedelta(days=100)))

    with lxdimg_nb.connect(lying.url) as client:
        found = {one.fingerprint for one in client.images.all(filter="age>90d")}

    # What was uploaded 100 days ago, before the clock went wrong, is of that age only for this machine.
    assert found == ({THREE} if ahead > timedelta(0) else {TWO})
    count(KIND, inputs=1, survived=1)


@BOTH
def test_changes_are_sent_and_waits_end(lying: HostileServer, ahead: timedelta) -> None:
    moment = stamp(datetime.now(UTC) + ahead)
    lying.date = date_header(ahead)

    def take(peer: Peer, request: Request) -> None:
        lying.images[ONE] |= json.loads(request.body)
        peer.send(http_reply(envelope({})))

    lying.answers = {
        f"(PUT|PATCH) /1.0/images/{ONE}": take,
        "/1.0/operations/": http_reply(operation(status_code=200, created_at=moment, updated_at=moment)),
    }

    with lxdimg_nb.connect(lying.url) as client:
        one = client.images.get(ONE)
        one.expires_at = datetime(2030, 1, 1, tzinfo=UTC)
        one.update()
        done = client.operations.wait(OPERATION)

    assert done.succeeded
    assert len(lying.paths("PUT")) + len(lying.paths("PATCH")) == 1
    count(KIND, inputs=1, survived=1)


@BOTH
def test_events_of_a_clock_that_jumps_leave_the_list_right(
    lying: HostileServer, client: Client, ahead: timedelta
) -> None:
    """The first is from the other time, so that the later ones look older than it, or much newer."""
    far = created(1) | {"timestamp": stamp(datetime.now(UTC) + ahead)}
    lying.images[THREE] = image(3)
    gone = threading.Event()

    def tell(peer: Peer, request: Request) -> None:
        peer.upgrade(request)
        gone.wait(60)
        for event in (far, created(3, 1), deleted(2, 2), far, deleted(50, 3)):
            peer.message(event)
        peer.hold()

    lying.answers = {"/1.0/events": tell}

    with Live(client.server_project) as live:
        del lying.images[TWO]
        gone.set()

        assert until(lambda: live.heard >= 5)
        assert live.wait_until(lambda records: {r.fingerprint for r in records} == {ONE, THREE})
    count(KIND, inputs=1, survived=1)


def left_by(server: HostileServer, client: Client, uploaded_at: datetime) -> bool:
    """Whether an image is still there after an operation that names it is undone."""
    server.images[ONE] |= {"uploaded_at": stamp(uploaded_at)}
    server.answers = {f"DELETE /1.0/images/{ONE}": http_reply(operation(status_code=200))}
    server.answers |= {"/1.0/operations/": http_reply(operation(status_code=200))}
    made = {"id": OPERATION, "created_at": stamp(datetime.now(UTC)), "metadata": {"fingerprint": ONE}}
    wait.remove_made(client.server_project, Operation.from_json(made))
    return server.paths("DELETE") == []


@pytest.mark.parametrize("ahead", [YEARS, -YEARS, timedelta(hours=1), timedelta(hours=-1)])
def test_what_was_uploaded_while_the_clock_was_off_is_not_taken_for_what_an_operation_made(
    lying: HostileServer, client: Client, ahead: timedelta
) -> None:
    lying.date = date_header(timedelta(0))

    assert left_by(lying, client, datetime.now(UTC) + ahead)
    count(KIND, inputs=1, survived=1)


def test_what_an_operation_made_goes_with_it_whatever_the_clock_says(lying: HostileServer, client: Client) -> None:
    assert not left_by(lying, client, datetime.now(UTC) + timedelta(seconds=1))


def test_a_deleted_image_of_the_future_would_be_noticed(
    lying: HostileServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait, "CLOCK_PRECISION", 2 * YEARS)

    assert not left_by(lying, client, datetime.now(UTC) + YEARS)


def test_a_time_without_an_end_is_refused_before_anything_is_sent(lying: HostileServer, client: Client) -> None:
    with pytest.raises(InvalidRequestError):
        client.images.get(ONE).expires_at = "90000-01-01"

    assert lying.paths("PUT") == lying.paths("PATCH") == []


@BOTH
def test_what_a_server_is_does_not_depend_on_its_clock(lying: HostileServer, client: Client, ahead: timedelta) -> None:
    before = client.info
    lying.date = date_header(ahead)

    assert client.reload() == before
    assert client.info.clock != before.clock == ""
