"""Listings that are complete although the server's answer is not, and that hold nobody up twice."""

from __future__ import annotations

import contextlib
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator

import pytest

import lxdimg_nb
from lxdimg_nb import Client
from lxdimg_nb.errors import IncompleteListError, LxdImageError
from tests.kit import factory
from tests.kit.crowd import crowd
from tests.kit.proxy import Answer, Fault, Proxy
from tests.kit.servers import RunningServer

pytestmark = pytest.mark.real

Crowd = Callable[[int], list[str]]
# From here on a listing is compared with the project's own count.
MANY = 1100
LISTING = r"/1\.0/images\?.*recursion=1"


@pytest.fixture
def crowded(request: pytest.FixtureRequest) -> Iterator[Crowd]:
    """Puts so many images on the daemon."""
    name = "real" if "real" in request.fixturenames else "lxd"
    server: RunningServer = request.getfixturevalue(name)
    with contextlib.ExitStack() as stack:
        yield lambda count: stack.enter_context(crowd(server, count))


@pytest.fixture
def client(proxy: Proxy) -> Iterator[Client]:
    with lxdimg_nb.connect(proxy.url) as connected:
        proxy.forget()
        yield connected


def without(*fingerprints: str) -> Callable[[Answer], bytes]:
    """A listing that left images out, and says "Success" as servers do."""

    def rewrite(answer: Answer) -> bytes:
        envelope = json.loads(answer.body)
        envelope["metadata"] = [row for row in envelope["metadata"] if row["fingerprint"] not in fingerprints]
        return answer.render(body=json.dumps(envelope).encode())

    return rewrite


def test_images_that_the_server_left_out_are_read_one_by_one(
    real: RunningServer, proxy: Proxy, client: Client, crowded: Crowd
) -> None:
    names = crowded(MANY)
    lost = names[3:60:7]
    proxy.inject(Fault("rewrite", rewrite=without(*lost)), LISTING)

    records = client.images.records()

    assert [record.fingerprint for record in records] == names
    assert {record.properties["os"] for record in records} == {factory.properties(0)["os"]}
    assert proxy.count("GET", LISTING) == 1
    assert proxy.count("GET", r"/1\.0/projects/default") == 1
    assert proxy.count("GET", r"/1\.0/images/[0-9a-f]{64}") == len(lost)
    assert proxy.count() == 2 + len(lost)


def test_images_that_cannot_be_read_either_are_named_and_the_rest_is_there(
    real: RunningServer, proxy: Proxy, client: Client, crowded: Crowd
) -> None:
    names = crowded(MANY)
    lost = names[10:40]
    proxy.inject(Fault("rewrite", rewrite=without(*lost)), LISTING)
    refusal = json.dumps({"type": "error", "error": "Failed to begin transaction", "error_code": 500}).encode()
    refused = Fault("rewrite", times=99, rewrite=lambda a: a.render(status=500, body=refusal))
    proxy.inject(refused, f"/1.0/images/({'|'.join(lost)})")

    with pytest.raises(IncompleteListError) as caught:
        client.images.all()

    error = caught.value
    assert sorted(error.missing) == lost
    assert sorted(record.fingerprint for record in error.images) == [name for name in names if name not in lost]
    assert "30 of 1100" in str(error)
    # It is given up early, not after thirty refusals.
    assert proxy.count("GET", r"/1\.0/images/[0-9a-f]{64}") < 10


def test_an_image_deleted_since_is_not_missing(
    real: RunningServer, proxy: Proxy, client: Client, crowded: Crowd
) -> None:
    names = crowded(MANY)
    doomed = names[5]

    def delete_then_answer(answer: Answer) -> bytes:
        data = without(doomed, names[9])(answer)
        real.wait(real.raw("DELETE", f"/1.0/images/{doomed}"))
        return data

    proxy.inject(Fault("rewrite", rewrite=delete_then_answer), LISTING)

    assert [record.fingerprint for record in client.images.records()] == [name for name in names if name != doomed]


def test_a_small_listing_is_one_request(real: RunningServer, proxy: Proxy, client: Client, crowded: Crowd) -> None:
    crowded(50)

    assert len(client.images.all()) == 50

    assert proxy.count() == 1


def test_sixteen_listings_at_once_are_two_for_the_server(
    real: RunningServer, proxy: Proxy, client: Client, crowded: Crowd
) -> None:
    names = crowded(600)
    gate = threading.Barrier(16)
    found: list[list[str]] = []

    def list_it() -> None:
        gate.wait()
        found.append([record.fingerprint for record in client.images.records()])

    threads = [threading.Thread(target=list_it) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [names] * 16
    assert proxy.count("GET", LISTING) <= 3


def test_who_lists_after_a_change_sees_it_though_a_listing_is_under_way(
    real: RunningServer, proxy: Proxy, client: Client, crowded: Crowd
) -> None:
    crowded(300)
    arrived, go_on = threading.Event(), threading.Event()

    def hold(answer: Answer) -> bytes:
        arrived.set()
        go_on.wait(60)
        return answer.render()

    proxy.inject(Fault("rewrite", rewrite=hold), LISTING)
    early: list[int] = []
    late: list[bool] = []
    first = threading.Thread(target=lambda: early.append(len(client.images.records())))
    first.start()
    arrived.wait(60)
    fingerprint = real.add_image(factory.small(7))

    second = threading.Thread(
        target=lambda: late.append(fingerprint in {r.fingerprint for r in client.images.records()})
    )
    second.start()
    go_on.set()
    first.join()
    second.join()

    assert early == [300]
    assert late == [True]


def test_a_failed_listing_fails_for_everyone_who_waited_and_for_nobody_after(
    real: RunningServer, proxy: Proxy, client: Client
) -> None:
    real.add_image(factory.small(1))
    proxy.inject(Fault("rewrite", times=1, rewrite=lambda a: a.render(body=b"[]")), LISTING)

    with pytest.raises(LxdImageError):
        client.images.all()

    assert len(client.images.all()) == 1


def latencies(real: RunningServer, fingerprint: str, done: threading.Event) -> list[float]:
    """How long another user waits for one image, again and again until `done`."""
    waited = []
    while not done.is_set():
        begin = time.monotonic()
        real.get(f"images/{fingerprint}")
        waited.append(time.monotonic() - begin)
    return waited


def test_a_polite_listing_lets_others_through(lxd: RunningServer, crowded: Crowd) -> None:
    names = crowded(800)
    found: dict[bool, int] = {}

    def during(polite: bool) -> list[float]:
        done = threading.Event()

        def list_it() -> None:
            with lxdimg_nb.connect(lxd.url) as client:
                found[polite] = len(client.images.records(polite=polite))
            done.set()

        thread = threading.Thread(target=list_it)
        thread.start()
        waited = latencies(lxd, names[0], done)
        thread.join()
        return waited

    polite, plain = during(True), during(False)

    assert found == {True: 800, False: 800}
    # One transaction of the plain listing holds everybody up for as long as it takes.
    assert statistics.quantiles(polite, n=20)[-1] < max(plain)
    assert statistics.median(polite) < max(plain) / 4


@pytest.mark.long
def test_six_thousand_images_are_all_there_though_lxd_leaves_half_of_them_out(
    lxd: RunningServer, crowded: Crowd
) -> None:
    names = crowded(6000)
    with Proxy(lxd.socket, lxd.folder) as proxy, lxdimg_nb.connect(proxy.url) as client:
        proxy.forget()

        records = client.images.records()

        assert [record.fingerprint for record in records] == names
        assert proxy.count("GET", LISTING) == 1
        assert 0 < proxy.count("GET", r"/1\.0/images/[0-9a-f]{64}") < 6000
