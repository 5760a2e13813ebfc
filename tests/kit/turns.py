"""Turns of pytest-xdist's workers: a test marked `alone` runs while the other workers wait between two tests."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Hold this worker's turn; without workers there is nothing to wait for.

    Args:
        alone: wait until no other worker has a turn, and let none begin before the end.
    """
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        yield
        return
    with _file(f"{run}.door") as door, _file(f"{run}.room") as room:
        # Who waits at the door lets nobody past, so that one who wants the room alone gets it.
        fcntl.flock(door, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        if not alone:
            fcntl.flock(door, fcntl.LOCK_UN)
        yield


@contextmanager
def _file(name: str) -> Iterator[int]:
    descriptor = os.open(Path(tempfile.gettempdir(), f"lxdimg-{name}"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
