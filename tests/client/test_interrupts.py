"""Ctrl-C in the middle of a transfer, on a real LXD and Incus: no part file that a later call would trust wrongly."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest

from lxdimg_nb import Client
from lxdimg_nb.values import Progress
from tests.kit.faulty import big, client, out
from tests.kit.interrupts import interrupted
from tests.kit.leftovers import only_right
from tests.kit.proxy import Proxy
from tests.kit.servers import RunningServer
from tests.kit.threads import ended_threads, new_threads
from tests.kit.waiting import until

pytestmark = pytest.mark.real

__all__ = ["big", "client", "out"]


@pytest.mark.parametrize("seed", range(12))
def test_an_interrupt_anywhere_leaves_nothing_that_is_trusted_wrongly(
    real: RunningServer, proxy: Proxy, client: Client, big: Path, out: Path, seed: int
) -> None:
    content = big.read_bytes()
    image = client.images.get(real.add_image(content))
    seconds = random.Random(seed).uniform(0.0005, 0.012)

    interrupted(seconds, lambda: image.export(out))

    assert only_right(out, content)
    assert image.export(out).path.read_bytes() == content
    image.delete()
    interrupted(seconds, lambda: client.images.create(big, wait=True))
    assert until(lambda: not {"running", "pending"} & set(real.get("operations")))
    assert set(real.get("images")) <= {f"/1.0/images/{image.fingerprint}"}
    assert client.images.create(big, wait=True, exist_ok=True).fingerprint == image.fingerprint


@pytest.mark.parametrize("phase", ["hash", "send", "receive"])
def test_an_interrupt_in_the_progress_ends_the_threads(
    real: RunningServer, proxy: Proxy, client: Client, big: Path, out: Path, phase: str
) -> None:
    image = client.images.get(real.add_image(big.read_bytes()))
    seen: list[str] = []
    before = threading.enumerate()

    def stop(progress: Progress) -> None:
        seen.append(progress.phase)
        if progress.phase == phase:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        if phase == "receive":
            image.export(out, progress=stop)
        else:
            image.delete()
            client.images.create(big, wait=True, progress=stop)

    assert phase in seen
    assert ended_threads(before), new_threads(before)
    assert only_right(out, b"")
