"""Receives a file from the browser in pieces: acknowledged, in order, written and hashed at once, resumable.

The browser keeps up to four pieces of 4 MiB on the way (a round trip costs 50 ms whatever its size), each a binary
buffer of a custom message. If our extension of the Jupyter server is there, the browser sends the file to it in
one request instead, into the same spool file, and the kernel only watches the file grow.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

from lxdimg_nb.client.files.hashing import HashCache
from lxdimg_nb.client.files.progress import Report
from lxdimg_nb.errors import InvalidRequestError, LxdImageError, OperationCancelledError
from lxdimg_nb.panels.base.actor import Actor
from lxdimg_nb.panels.base.transfers import Transfer, transfers
from lxdimg_nb.panels.upload.spool_file import Hashing, SpoolFile
from lxdimg_nb.values import Progress

__all__ = ["PIECE", "WINDOW", "FileReceiver"]

PIECE = 4 << 20
WINDOW = 4
# A browser that has sent nothing for so long was closed or reloaded, or has lost the kernel.
SILENCE_SECONDS = 60.0
POLL_SECONDS = 0.2


class FileReceiver:
    """One file that is being received. The panel's actor calls it; a transfer writes the file.

    Args:
        actor: the panel's.
        file: where the file is written.
        where: the server that the image is for.
        hashes: gets the hash of the file, so that nobody has to read it again.
        tell: called in the actor to acknowledge a piece.
        then: called in the actor with the receiver when it has ended.
    """

    def __init__(
        self,
        actor: Actor,
        file: SpoolFile,
        *,
        where: str,
        hashes: HashCache,
        tell: Callable[..., object],
        then: Callable[[FileReceiver], object],
    ) -> None:
        self.file = file
        self._tell = tell
        self._actor = actor
        self._hashes = hashes
        # Offset, data and whether the file begins again; None when the Jupyter server has all of it.
        self._pieces: queue.SimpleQueue[tuple[int, Any, bool] | None] = queue.SimpleQueue()
        self._watching = False
        self.transfer: Transfer = transfers.start(
            f"Receive {file.name} from the browser",
            self._work,
            where=where,
            result_text=lambda _: "received",
            on_end=lambda _: actor.post(lambda: then(self)),
        )

    def put(self, offset: int, data: Any, *, restart: bool = False) -> None:
        """Take a piece. With `restart` it is the first of a file that does not continue what is there."""
        self._pieces.put((offset, data, restart))

    def watch(self) -> None:
        """Expect no pieces, because the browser sends the file to the Jupyter server."""
        self._watching = True

    def sent(self) -> None:
        """Take note that the browser has sent all of the file to the Jupyter server."""
        self._pieces.put(None)

    def _work(self, report: Report) -> None:
        try:
            with self.file.hashing() as hashing:
                self._receive(report, hashing)
                self._hashes.store(hashing.fd, self.file.size, hashing.sha)
        except OperationCancelledError:
            self.file.remove()
            raise
        except OSError as error:
            raise LxdImageError(f"{self.file.path} cannot be written: {error.strerror}") from error

    def _receive(self, report: Report, hashing: Hashing) -> None:
        size, have, silence = self.file.size, self.file.have, 0.0
        while have < size:
            report(Progress("receive", have, size))
            try:
                piece = self._pieces.get(timeout=POLL_SECONDS)
            except queue.Empty:
                now = self.file.have
                silence, have = (0.0 if now > have else silence + POLL_SECONDS), now
                if silence >= SILENCE_SECONDS:
                    raise LxdImageError(
                        "the browser has stopped sending; choose the same file again to go on where it stopped"
                    ) from None
            else:
                silence = 0.0
                have = self._write(piece, have, hashing)
            hashing.catch_up()
        hashing.catch_up()
        report(Progress("receive", size, size))

    def _write(self, piece: tuple[int, Any, bool] | None, have: int, hashing: Hashing) -> int:
        """Write a piece to the file; returns how much of it is there."""
        if piece is None:
            if self.file.have < self.file.size:
                raise LxdImageError("the Jupyter server did not get the whole file; choose it again to go on")
            return self.file.have
        offset, data, restart = piece
        if restart:
            self.file.restart()
            hashing.restart()
            have = 0
        if self._watching or offset != have:
            raise InvalidRequestError("the pieces came out of order; choose the file again to go on")
        self.file.append(offset, data)
        have += len(data)
        self._actor.post(lambda: self._tell("got", job=self.transfer.number, have=have))
        return have
