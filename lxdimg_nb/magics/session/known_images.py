"""The last known images of a server, without a request, from a live inventory in the background."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from lxdimg_nb.client import Client
from lxdimg_nb.client.live import Live
from lxdimg_nb.errors import LxdImageError
from lxdimg_nb.values import ImageRecord


class KnownImages:
    """The last known images of a client. No method waits for the server; `close` waits at most a second."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._listed: Sequence[ImageRecord] = ()
        self.projects: Sequence[str] = ()
        self._thread: threading.Thread | None = None
        self._closed = False

    def refresh(self) -> None:
        """Start the live inventory in the background if it is not running. Returns at once."""
        with self._lock:
            running = self._thread is not None and self._thread.is_alive()
            if self._closed or running or (self._live is not None and self._live.state != "closed"):
                return
            self._thread = threading.Thread(target=self._start, name="lxdimg-known", daemon=True)
            self._thread.start()

    def learn(self, records: Sequence[ImageRecord]) -> None:
        """Use the result of a listing until the live inventory is ready."""
        self._listed = records

    @property
    def live(self) -> bool:
        """Whether the images are up to date."""
        return self._live is not None and self._live.state == "live"

    def records(self) -> Sequence[ImageRecord]:
        """The records of the images."""
        live = self._live
        return self._listed if live is None else live.records()

    def aliases(self) -> list[str]:
        """The aliases of all images."""
        return sorted({alias.name for record in self.records() for alias in record.aliases})

    def keys(self) -> list[str]:
        """The keys of all properties."""
        return sorted({key for record in self.records() for key in record.properties})

    def values(self, key: str) -> list[str]:
        """The values of one property."""
        return sorted({value for record in self.records() if (value := record.properties.get(key))})

    def close(self) -> None:
        """Stop the live inventory."""
        with self._lock:
            self._closed = True
            live, self._live = self._live, None
            thread = self._thread
        if live is not None:
            live.close()
        if thread is not None:
            # If it is still starting, it stops by itself once the server answers.
            thread.join(timeout=1.0)

    def _start(self) -> None:
        try:
            self.projects = self._client.projects()
            live = self._client.images.live()
        except LxdImageError:
            return  # There are no completions then; the next verb reports the error.
        with self._lock:
            if not self._closed:
                self._live = live
                return
        live.close()
