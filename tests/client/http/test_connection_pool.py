"""Idle connections: a Ctrl-C at any moment must not make later requests wait forever."""

from __future__ import annotations

import queue
import threading
import traceback
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb import Client
from lxdimg_nb.client.http.connection_pool import ConnectionQueue
from tests.kit import certificates
from tests.kit.servers import RunningServer


@pytest.mark.parametrize("over", ["socket", "tls"])
def test_requests_take_no_lock_that_an_interrupt_can_leave_locked(
    demo: RunningServer, over: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Threading's Condition is written in Python: a Ctrl-C when it has its lock but has not returned keeps the lock."""
    asking = threading.current_thread()
    taken: list[str] = []
    enter = threading.Condition.__enter__

    def noted(condition: threading.Condition) -> bool:
        if threading.current_thread() is asking:
            taken.append("".join(traceback.format_stack(limit=6)))
        return enter(condition)

    with connected(demo, over, tmp_path) as client, monkeypatch.context() as patched:
        patched.setattr(threading.Condition, "__enter__", noted)

        assert client.images.all() == []
        assert not client.images.exists("web")

    assert taken == []


def connected(demo: RunningServer, over: str, folder: Path) -> Client:
    if over == "socket":
        return lxdimg_nb.connect(demo.url)
    assert demo.https_url is not None
    pinned = folder / "server.crt"
    pinned.write_text(certificates.of_server(demo.https_url))
    return lxdimg_nb.connect(demo.https_url, server_cert=str(pinned))


def test_the_connection_queue_is_bounded_and_last_in_first_out() -> None:
    kept: ConnectionQueue[int] = ConnectionQueue(2)
    kept.put(1)
    kept.put(2)

    with pytest.raises(queue.Full):
        kept.put(3, block=False)
    assert kept.qsize() == 2
    assert [kept.get(), kept.get(block=False)] == [2, 1]
    with pytest.raises(queue.Empty):
        kept.get(block=False)
