"""The panel of many servers: one list with a column for the server; what is done is done on the image's own."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lxdimg_nb import formats, views
from lxdimg_nb.client import Client, connect
from lxdimg_nb.errors import IncompleteListError, LxdImageError
from lxdimg_nb.panels.browser import BrowserPanel
from lxdimg_nb.panels.table import DEFAULT_COLUMNS, Row, key_of
from lxdimg_nb.panels.words import product, why

if TYPE_CHECKING:
    from lxdimg_nb.client import Images
    from lxdimg_nb.models import ImageRecord

__all__ = ["FleetPanel"]

AT_ONCE = 16


class FleetPanel(BrowserPanel):
    """What `Fleet(…).panel()` shows.

    Args:
        servers: by name a client, a remote's name or an address.
    """

    kind = "fleet"

    def __init__(self, servers: Mapping[str, Any]) -> None:
        self._servers = dict(servers)
        self._clients: dict[str, Client] = {n: s for n, s in servers.items() if isinstance(s, Client)}
        super().__init__(None)
        self.table.columns = ("server", *DEFAULT_COLUMNS)
        for name in (*self.uploading.handlers, *self.bulk.handlers, "project"):
            del self._handlers[name]

    def images_for(self, row: Row | None) -> Images:
        name = row.server if row is not None else next(iter(self._clients))
        return self._clients[name].images

    def load(self) -> None:
        self._loading += 1
        number, servers, clients = self._loading, self._servers, dict(self._clients)
        self._state = "loading" if self._state != "ready" else "reloading"
        self.show_list()

        def read() -> list[tuple[str, Client | None, list[ImageRecord], str]]:
            with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="lxdimg-fleet") as pool:
                return list(pool.map(lambda name: _ask(name, clients.get(name) or servers[name]), servers))

        self.actor.aside(read, lambda found: self._gathered(number, found), lambda e: self._not_loaded(number, e))

    def _gathered(self, number: int, found: list[tuple[str, Client | None, list[ImageRecord], str]]) -> None:
        if number != self._loading:
            return
        rows = []
        for name, client, records, problem in found:
            if client is not None:
                self._clients[name] = client
            if problem:
                self.notice(f"{views.plain(name, 60)}: {problem}")
            rows += [Row(key_of(record, name), record, name) for record in records]
        self.table.replace(rows)
        self._state, self._read_at = "ready", datetime.now(UTC)
        if self.open is not None:
            self.open = self.table.rows.get(self.open.key)
        self._done_loading()
        self.show_header()
        self.show_list()
        self.show_detail()

    def header(self) -> dict[str, Any]:
        count = formats.plural(len(self._servers), "server")
        names = ", ".join(f"{views.plain(n, 40)} ({product(c.info)})" for n, c in list(self._clients.items())[:8])
        return {"product": f"Fleet of {count}", "address": names, "project": "", "trusted": True, "uploads": False}

    def _title(self) -> str:
        images = formats.plural(len(self.table.rows), "image")
        return f"{images} of {formats.plural(len(self._servers), 'server')}"


def _ask(name: str, server: Any) -> tuple[str, Client | None, list[ImageRecord], str]:
    """One server's images; what went wrong in words."""
    client: Client | None = None
    try:
        client = server if isinstance(server, Client) else server() if callable(server) else connect(server)
        return name, client, client.images.records(), ""
    except IncompleteListError as error:
        return name, client, [getattr(image, "record", image) for image in error.images], why(error)
    except LxdImageError as error:
        return name, client, [], why(error)
