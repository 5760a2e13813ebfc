"""Turns of pytest-xdist's workers: a test marked `alone` runs while the other workers wait between two tests."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

# The environment variable with the folder where the workers of one run meet; unset where there are none.
FOLDER = "LXDIMG_TESTS_TURNS"


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Hold this worker's turn; without workers there is nothing to wait for.

    Args:
        alone: wait until no other worker has a turn, and let none begin before the end.
    """
    folder = os.environ.get(FOLDER)
    if folder is None:
        yield
        return
    how = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
    with ExitStack() as stack:
        door, room = (stack.enter_context(Path(folder, name).open("w")) for name in ("door", "room"))
        # Who waits at the door lets nobody past, so that one who wants the room alone gets it.
        fcntl.flock(door, how)
        fcntl.flock(room, how)
        if not alone:
            fcntl.flock(door, fcntl.LOCK_UN)
        yield
