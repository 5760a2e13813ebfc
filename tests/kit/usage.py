"""What this process holds: memory, threads, file descriptors, comms, widgets; and what has grown since.

`grown` is for tests of long use: what is held at the end is what was held at the beginning, give or take 5 %.
"""

from __future__ import annotations

import ctypes
import gc
import os
import queue
import resource
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import comm
from ipywidgets.widgets import widget

from lxdimg_nb.client.http.connection_pool import ConnectionQueue
from tests.kit.waiting import until

__all__ = ["Usage", "grown", "own_temporary_folder", "usage"]

# The share of memory that may be held more, and what is so little that any share of it is a coincidence.
ALLOWED = 0.05
SMALL = {"resident": 4 << 20, "blocks": 5_000}
# Threads of pools, which are kept for the next call.
_POOLS = ("lxdimg-demo-worker", "asyncio_", "ThreadPoolExecutor")


@dataclass(frozen=True)
class Usage:
    """What a process holds.

    Attributes:
        resident: bytes of memory that the system has given to it.
        blocks: pieces of memory that Python has allocated.
        descriptors: open file descriptors, without the connections that a client keeps for its next request: those
            are as many as were ever in use at the same time.
        comms: that are open between the kernel and the front end.
        widgets: that ipywidgets knows.
        threads: their names.
        files: names in the temporary folder, which should be the test's own: see `own_temporary_folder`.
    """

    resident: int
    blocks: int
    descriptors: int
    comms: int
    widgets: int
    threads: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def more_than(self, before: Usage, *, resident: bool = True) -> list[str]:
        """What is held more than before, a line each: of memory 5 %, of anything else one.

        Args:
            resident: look at `resident`, too.
        """
        found = []
        for name, most in SMALL.items():
            if name == "resident" and not resident:
                continue
            now, then = getattr(self, name), getattr(before, name)
            if now - then > max(ALLOWED * then, most):
                found.append(f"{name}: {now:,} where there were {then:,}")
        for name in ("descriptors", "comms", "widgets"):
            now, then = getattr(self, name), getattr(before, name)
            if now > then:
                found.append(f"{name}: {now} where there were {then}")
        for name in ("threads", "files"):
            new = Counter(getattr(self, name)) - Counter(getattr(before, name))
            if new:
                found.append(f"{name}: {', '.join(sorted(new.elements()))}"[:400])
        return found


def usage() -> Usage:
    """Measure, after what is garbage has been freed and idle connections have been closed."""
    _close_idle_connections()
    for _ in range(3):
        gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    return Usage(
        resident=_resident(),
        blocks=sys.getallocatedblocks(),
        descriptors=_descriptors(),
        comms=len(comm.get_comm_manager().comms),
        widgets=len(widget._instances),
        threads=sorted(t.name for t in threading.enumerate() if not t.name.startswith(_POOLS)),
        files=sorted(os.listdir(tempfile.gettempdir())),
    )


def _close_idle_connections() -> None:
    for kept in [found for found in gc.get_objects() if isinstance(found, ConnectionQueue)]:
        while True:
            try:
                connection = kept.get()
            except queue.Empty:
                break
            if connection is not None:
                connection.close()


def _descriptors() -> int:
    """Counted until they stay the same: a demo server of this process closes its ends of connections a moment later."""
    counted: list[int] = []

    def settled() -> bool:
        counted.append(len(os.listdir("/dev/fd")))
        return counted[-3:] == [counted[-1]] * 3

    until(settled, every=0.05)
    return counted[-1]


@contextmanager
def own_temporary_folder() -> Iterator[Path]:
    """Have this process, and those that it starts, make temporary files in a folder where nobody else does.

    Its path is short: sockets lie in it.
    """
    before, variable = tempfile.tempdir, os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory(prefix="lxi-", dir="/tmp") as folder:
        tempfile.tempdir = os.environ["TMPDIR"] = folder
        try:
            yield Path(folder)
        finally:
            tempfile.tempdir = before
            os.environ.pop("TMPDIR")
            if variable is not None:
                os.environ["TMPDIR"] = variable


def _resident() -> int:
    """Only Linux tells it; elsewhere there are the blocks."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * resource.getpagesize() if status.exists() else 0


def grown(before: Usage, *, resident: bool = True, timeout: float = 10.0) -> list[str]:
    """What this process holds more than before, a line each, after some seconds for what is ending.

    Args:
        resident: look at the memory that the system has given, too: it rises for some time before it stays as it is.
    """
    until(lambda: not usage().more_than(before, resident=resident), timeout=timeout, every=0.2)
    return usage().more_than(before, resident=resident)
