"""What errors say about a cluster: which member does not answer, and what to do; without a cluster nothing is asked.

A proxy has the demo server speak as a member of a cluster does. Texts: LXD 5.0.2 and Incus 6.0.4.
"""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb.client import live as live_list
from lxdimg_nb.client.http import retry
from lxdimg_nb.errors import ApiError, ServerUnreachableError
from tests.kit import factory
from tests.kit.proxy import Answer, Fault, Proxy
from tests.kit.servers import RunningServer
from tests.kit.threads import new_threads

ALWAYS = 10**6
NO_LEADER = "Failed to begin transaction: failed to create dqlite connection: no available dqlite leader server found"


@pytest.fixture
def proxy(demo: RunningServer, tmp_path: Path) -> Iterator[Proxy]:
    """In front of the demo server."""
    demo.add_image(factory.small(1), ["web"])
    with Proxy(demo.socket, demo.folder) as running:
        yield running


def answer(metadata: Any) -> Callable[[Answer], bytes]:
    envelope = {"type": "sync", "status": "Success", "status_code": 200, "metadata": metadata}
    return lambda reply: reply.render(status=200, body=json.dumps(envelope).encode())


def refuse(text: str, status: int = 500) -> Callable[[Answer], bytes]:
    body = json.dumps({"type": "error", "error": text, "error_code": status}).encode()
    return lambda reply: reply.render(status=status, body=body)


def row(name: str, status: str = "Online") -> dict[str, str]:
    return {"server_name": name, "url": f"https://192.0.2.{name[1:]}:8443", "status": status}


def speak_as_a_cluster(proxy: Proxy, rows: list[dict[str, str]]) -> None:
    """Have every reply of the proxy be that of the member c1."""

    def clustered(reply: Answer) -> bytes:
        document = json.loads(reply.body)
        document["metadata"]["environment"] |= {"server_clustered": True, "server_name": "c1"}
        return reply.render(body=json.dumps(document).encode())

    proxy.inject(Fault("rewrite", times=ALWAYS, rewrite=clustered), r"^/1\.0$", "GET")
    proxy.inject(Fault("rewrite", times=ALWAYS, rewrite=answer(rows)), "^/1.0/cluster/members", "GET")


def failing_export(proxy: Proxy, text: str) -> str:
    """What an export says when the server says that."""
    with lxdimg_nb.connect(proxy.url) as client:
        image = client.images.get("web")
        proxy.inject(Fault("rewrite", times=ALWAYS, rewrite=refuse(text)), "/export", "GET")
        with pytest.raises(ApiError) as caught:
            image.export()
    assert pickle.loads(pickle.dumps(caught.value)).message == caught.value.message  # noqa: S301 - our own
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_offline_member_is_named_with_its_address_and_what_to_do(proxy: Proxy) -> None:
    speak_as_a_cluster(proxy, [row("c1"), row("c2"), row("c3", "Offline")])

    said = failing_export(proxy, "Image not available on any online node")

    assert "Image not available on any online node; the member c3 (https://192.0.2.3:8443)" in said
    assert "start it, then try again ('lxc cluster list' shows them all)" in said
    assert "c2" not in said


def test_a_member_that_the_cluster_still_calls_online_is_found_by_asking_it(proxy: Proxy) -> None:
    speak_as_a_cluster(proxy, [row("c1"), row("c2"), row("c3")])
    proxy.inject(Fault("rewrite", rewrite=refuse("Missing event connection")), "^/1.0[?]target=c3", "GET")

    said = failing_export(proxy, "Missing event connection with target cluster member")

    assert "the member c3 (https://192.0.2.3:8443) of the cluster is offline" in said
    assert not proxy.count("GET", "target=c1")


def test_a_download_that_breaks_off_names_the_member_that_had_the_files(proxy: Proxy) -> None:
    speak_as_a_cluster(proxy, [row("c1"), row("c2"), row("c3", "Offline")])
    with lxdimg_nb.connect(proxy.url) as client:
        image = client.images.get("web")
        proxy.inject(Fault("cut", "down", at=400), "/export", "GET")

        with pytest.raises(ServerUnreachableError) as caught:
            image.export()

    assert "broke after" in caught.value.message
    assert "the member c3 (https://192.0.2.3:8443) of the cluster is offline" in caught.value.advice[-1]


def test_many_offline_members_fit_one_line(proxy: Proxy) -> None:
    speak_as_a_cluster(proxy, [row("c1"), *(row(f"c{number}", "Offline") for number in range(2, 50))])

    said = failing_export(proxy, "Image not available on any online node")

    assert "the members c10 (" in said
    assert "and 43 more of the cluster are offline: start them" in said
    assert len(said) < 500


def test_a_failure_that_is_no_members_fault_blames_none(proxy: Proxy) -> None:
    speak_as_a_cluster(proxy, [row("c1"), row("c2")])

    said = failing_export(proxy, "no space left on device")

    assert said == "the server says: no space left on device"


def test_a_cluster_without_a_leader_says_so_once_and_is_not_asked_for_long(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak_as_a_cluster(proxy, [row("c1"), row("c2"), row("c3")])
    # Each refusal is one that took longer than is waited for.
    monkeypatch.setattr(retry, "PATIENCE", -1.0)
    with lxdimg_nb.connect(proxy.url) as client:
        proxy.heal()
        proxy.forget()
        proxy.inject(Fault("rewrite", times=ALWAYS, rewrite=refuse(NO_LEADER, 503)), "^/1.0/images", "GET")
        proxy.inject(Fault("rewrite", rewrite=refuse("context deadline exceeded")), "/1.0/cluster/members", "GET")

        with pytest.raises(ApiError) as caught:
            client.images.all()

    assert caught.value.status_code == 503
    assert "more than half of its members must run" in str(caught.value)
    assert "c1 (https://192.0.2.1:8443), c2 (https://192.0.2.2:8443) and c3" in str(caught.value)
    assert proxy.count("GET", "^/1.0/images") == 1


def test_a_member_that_died_names_itself_and_the_others(proxy: Proxy) -> None:
    speak_as_a_cluster(proxy, [row("c1"), row("c2"), row("c3")])
    client = lxdimg_nb.connect(proxy.url)
    proxy.close()

    with pytest.raises(ServerUnreachableError) as caught:
        client.images.all()

    assert str(proxy.socket) in caught.value.message
    assert caught.value.advice[-1] == (
        "it is the member c1 of a cluster: connect to another member, "
        "c2 (https://192.0.2.2:8443) or c3 (https://192.0.2.3:8443)"
    )


def test_a_member_that_does_not_answer_tells_of_the_majority(proxy: Proxy) -> None:
    speak_as_a_cluster(proxy, [row("c1"), row("c2"), row("c3")])
    with lxdimg_nb.connect(proxy.url, timeout=2) as client:
        proxy.inject(Fault("stall", times=9), "^/1.0/images", "GET")

        with pytest.raises(ServerUnreachableError) as caught:
            client.images.get("0" * 64)

    *_, other, majority = caught.value.advice
    assert "connect to another member, c2" in other
    assert "more than half of its members must run" in majority


def test_who_may_not_list_the_members_is_told_what_is_known(proxy: Proxy) -> None:
    speak_as_a_cluster(proxy, [])
    client = lxdimg_nb.connect(proxy.url)
    proxy.close()

    with pytest.raises(ServerUnreachableError) as caught:
        client.images.all()

    assert "the member c1 of a cluster: start it, or connect to another member" in caught.value.advice[-1]


@pytest.mark.parametrize("rows", [None, "x", [1, None], [{}], [{"server_name": {"a": 1}, "url": [], "status": 7}]])
def test_members_that_make_no_sense_spoil_nothing(proxy: Proxy, rows: Any) -> None:
    speak_as_a_cluster(proxy, rows)

    assert "no space left on device" in failing_export(proxy, "no space left on device")


def test_a_hostile_member_name_stays_on_its_line(proxy: Proxy) -> None:
    name = "c9\x1b[2J\u202e<script>\n" + "x" * 5000
    speak_as_a_cluster(proxy, [row("c1"), {"server_name": name, "url": "\r\nhttps://x", "status": "Offline"}])

    said = failing_export(proxy, "Image not available on any online node")

    assert said.isprintable()
    assert len(said) < 1000


@pytest.mark.parametrize("edited", [False, True])
def test_a_live_list_of_a_cluster_notices_what_no_event_told(
    demo: RunningServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, edited: bool
) -> None:
    speak_as_a_cluster(proxy, [row("c1"), row("c2")])
    monkeypatch.setattr(live_list, "COMPARE_SECONDS", 0.05)
    monkeypatch.setattr(live_list, "RELIST_SHARE", 0 if edited else 10**9)
    demo.demo.faults.add(drop_events=True)
    before = threading.enumerate()
    with lxdimg_nb.connect(proxy.url) as client, client.images.live() as live:
        heard = live.heard
        (old,) = (record.fingerprint for record in live.records())
        if edited:
            assert demo.raw("PATCH", f"/1.0/images/{old}", json={"public": True}).status == 200

            assert live.wait_until(lambda records: records[0].public)
        else:
            made = demo.add_image(factory.small(2))
            assert live.wait_until(lambda records: made in {record.fingerprint for record in records})
            demo.wait(demo.raw("DELETE", f"/1.0/images/{made}"))

            assert live.wait_until(lambda records: [record.fingerprint for record in records] == [old])

        assert live.heard == heard
        assert "lxdimg-live-cluster" in new_threads(before)
    assert new_threads(before) == []


def test_a_live_list_of_one_server_lists_once(
    demo: RunningServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_list, "COMPARE_SECONDS", 0.0)
    with lxdimg_nb.connect(proxy.url) as client, client.images.live() as live:
        made = demo.add_image(factory.small(2))
        assert live.wait_until(lambda records: made in {record.fingerprint for record in records})

    assert proxy.count("GET", "^/1.0/images[?]") == 1


def test_nothing_is_asked_of_a_server_that_is_no_cluster(proxy: Proxy) -> None:
    assert failing_export(proxy, "no space left on device") == "the server says: no space left on device"

    assert not proxy.count("GET", "cluster|target")


def test_a_connection_to_a_cluster_costs_one_request_more(proxy: Proxy) -> None:
    speak_as_a_cluster(proxy, [row("c1"), row("c2")])

    with lxdimg_nb.connect(proxy.url) as client:
        client.images.all()
        client.images.get("web").export()

    assert proxy.count("GET", "cluster|target") == 1
