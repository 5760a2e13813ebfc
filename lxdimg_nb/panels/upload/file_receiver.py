"""A file that comes from the browser in pieces: acknowledged, in sequence, on disk and hashed at once, resumable.

The browser keeps up to four pieces of 4 MiB on the way (a round trip costs 50 ms whatever its size), each a binary
buffer of a custom message. Where our extension of the Jupyter server answers, the browser sends the file there
in one request instead, into the same spool file, and the kernel only watches it grow.
"""

from __future__ import annotations

import functools
import queue
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lxdimg_nb.errors import InvalidRequestError, LxdImageError, OperationCancelledError
from lxdimg_nb.panels.base.transfers import Transfer, transfers
from lxdimg_nb.panels.upload.spool_file import Hashing, SpoolFile
from lxdimg_nb.values import Progress

if TYPE_CHECKING:
    from lxdimg_nb.client.files.hash_cache import HashCache
    from lxdimg_nb.client.files.progress import Report
    from lxdimg_nb.panels.base.actor import Actor

__all__ = ["PIECE", "WINDOW", "FileReceiver"]

PIECE = 4 << 20
WINDOW = 4
# A browser that has sent nothing for so long was closed, reloaded or has lost the kernel.
SILENCE_SECONDS = 60.0
TICK_SECONDS = 0.2


class FileReceiver:
    """One file on its way. Made, fed and asked in the panel's actor; written in a thread of its own."""

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
        self._pieces: queue.SimpleQueue[tuple[int, Any, bool] | None] = queue.SimpleQueue()
        self._direct = False
        self.transfer: Transfer = transfers.start(
            f"Receive {file.name} from the browser",
            self._work,
            where=where,
            result_text=lambda _: "received",
            on_end=lambda _: actor.post(lambda: then(self)),
        )

    @property
    def running(self) -> bool:
        """Whether it is still coming."""
        return self.transfer.active

    def piece(self, offset: int, data: Any, *, restart: bool = False) -> None:
        """A piece has come; with `restart` the first of a file that does not go on from what is there."""
        self._pieces.put((offset, data, restart))

    def direct(self) -> None:
        """The browser sends it to the Jupyter server; look at the file."""
        self._direct = True

    def sent(self) -> None:
        """The browser says that the Jupyter server has it all."""
        self._pieces.put(None)

    def _work(self, report: Report) -> SpoolFile:
        try:
            with self.file.hashing() as hashing:
                self._receive(report, hashing)
                # So that whoever checks and sends the file need not read it first.
                self._hashes.store(hashing.fd, self.file.size, hashing.sha)
        except OperationCancelledError:
            self.file.remove()
            raise
        except OSError as error:
            raise LxdImageError(f"{self.file.path} cannot be written: {error.strerror}") from error
        return self.file

    def _receive(self, report: Report, hashing: Hashing) -> None:
        size, have, silent = self.file.size, self.file.have, 0.0
        while have < size:
            report(Progress("receive", have, size))
            try:
                came = self._pieces.get(timeout=TICK_SECONDS)
            except queue.Empty:
                now = self.file.have
                silent, have = (0.0 if now > have else silent + TICK_SECONDS), now
                if silent >= SILENCE_SECONDS:
                    raise LxdImageError(
                        "the browser has stopped sending; choose the same file again to go on where it stopped"
                    ) from None
                hashing.catch_up()
                continue
            silent = 0.0
            if came is None:
                have = self.file.have
                if have < size:
                    raise LxdImageError("the Jupyter server did not get the whole file; choose it again to go on")
                continue
            offset, data, restart = came
            if restart:
                self.file.restart()
                hashing.restart()
                have = 0
            if self._direct or offset != have:
                raise InvalidRequestError("the pieces came out of order; choose the file again to go on")
            self.file.append(offset, data)
            have += len(data)
            self._actor.post(functools.partial(self._tell, "got", job=self.transfer.number, have=have))
            hashing.catch_up()
        hashing.catch_up()
        report(Progress("receive", size, size))
