"""Downloads into files, and their progress in the words the daemons use."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from .peers import Peer

__all__ = ["Meter", "download_file"]


def download_file(
    folder: Path, peer: Peer, path: str, also: Callable[[bytes], None], meter: Callable[[int, int], None]
) -> Path:
    """Write what a peer answers to a file of the folder.

    Args:
        folder: where the file is made.
        peer: whom to ask.
        path: what to ask for.
        also: called with each block, as a hash wants it.
        meter: called with bytes so far and in all.
    """
    with tempfile.NamedTemporaryFile(prefix="upload-", dir=folder, delete=False) as file:

        def take(block: bytes) -> None:
            file.write(block)
            also(block)

        try:
            peer.download(path, take, progress=meter)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    return Path(file.name)


class Meter:
    """Progress in words, a few times a second at most."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._began = time.monotonic()
        self._last = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last < 0.1 and done != total:
            return
        self._last = now
        rate = done / max(now - self._began, 0.001)
        shown = f"{done * 100 // total}% ({_bytes(rate)}/s)" if total else f"{_bytes(done)} ({_bytes(rate)}/s)"
        self._say(shown)


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.2f}{unit}"
        count /= 1000
    return f"{count:.2f}GB"
