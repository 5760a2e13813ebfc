"""Ctrl-C in the middle of a transfer, on a real LXD and Incus: no part file that a later call would trust wrongly."""

from __future__ import annotations

import gc
import random
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from lxdimg_nb import Client
from lxdimg_nb.values import Progress
from tests.kit.faulty import big, client, out
from tests.kit.leftovers import only_right
from tests.kit.proxy import Proxy
from tests.kit.servers import RunningServer
from tests.kit.waiting import until

pytestmark = pytest.mark.real

__all__ = ["big", "client", "out"]


class _InterruptedError(KeyboardInterrupt):
    pass


def interrupted(seconds: float, call: Callable[[], object]) -> None:
    """Call, with a Ctrl-C after so many seconds, wherever the code is then.

    That may be in a finalizer, which cannot raise, or within open(), which then leaves a file to be collected:
    Python tells both as unraisable, and both are over when this returns.
    """

    def raise_it(_: int, __: FrameType | None) -> None:
        raise _InterruptedError

    def unraisable(told: sys.UnraisableHookArgs) -> None:
        if not isinstance(told.exc_value, (_InterruptedError, ResourceWarning)):
            tell(told)

    before, tell = signal.signal(signal.SIGALRM, raise_it), sys.unraisablehook
    sys.unraisablehook = unraisable
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            call()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _InterruptedError:
        pass
    finally:
        signal.signal(signal.SIGALRM, before)
        gc.collect()
        sys.unraisablehook = tell


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
    # Those of the session's demo server are not ours.
    before = set(threading.enumerate())

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
    assert not [t for t in set(threading.enumerate()) - before if t.name.startswith("lxdimg-")]
    assert only_right(out, b"")
