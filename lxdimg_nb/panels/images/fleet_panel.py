"""The panel of many servers: one list with a column for the server; what is done is done on the image's own."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from lxdimg_nb.client import Client, connect
from lxdimg_nb.errors import LxdImageError
from lxdimg_nb.panels.base.ui_text import product, why
from lxdimg_nb.panels.images.images_panel import ImagesPanel
from lxdimg_nb.panels.images.list_reader import Reading, discard, read
from lxdimg_nb.panels.images.table_columns import DEFAULT_COLUMNS
from lxdimg_nb.text import display, formats

if TYPE_CHECKING:
    from lxdimg_nb.client import Images

__all__ = ["FleetPanel"]

AT_ONCE = 16


class FleetPanel(ImagesPanel):
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
        for name in (*self.upload.handlers, *self.bulk.handlers, "project"):
            del self._handlers[name]

    def images_at(self, server: str) -> Images:
        return self._clients[server or next(iter(self._clients))].images

    def load(self) -> None:
        self._loading += 1
        number, servers, clients = self._loading, self._servers, dict(self._clients)
        self._state = "loading" if self._state != "ready" else "reloading"
        self.show_list()

        def ask() -> list[tuple[str, Client | None, Reading]]:
            with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="lxdimg-fleet") as pool:
                return list(pool.map(lambda name: _ask(name, clients.get(name) or servers[name]), servers))

        self.actor.aside(ask, lambda found: self._came(number, found), lambda e: self._not_loaded(number, e))

    def _came(self, number: int, found: list[tuple[str, Client | None, Reading]]) -> None:
        readings = {name: reading for name, _, reading in found}
        # Also what came too late: its connection is as good.
        self._clients |= {name: client for name, client, _ in found if client is not None}
        if number == self._loading:
            self._gathered(readings)
        else:
            for reading in readings.values():
                discard(reading)

    def close(self) -> None:
        super().close()
        # What the panel connected to itself; a transfer that still runs opens a connection of its own again.
        for name, client in self._clients.items():
            if client is not self._servers[name]:
                client.close()

    def header(self) -> dict[str, Any]:
        count = formats.plural(len(self._servers), "server")
        names = ", ".join(f"{display.sanitize(n, 40)} ({product(c.info)})" for n, c in list(self._clients.items())[:8])
        return {"product": f"Fleet of {count}", "address": names, "project": "", "trusted": True, "uploads": False}

    def _title(self) -> str:
        images = formats.plural(len(self.table.rows), "image")
        return f"{images} of {formats.plural(len(self._servers), 'server')}"


def _ask(name: str, server: Any) -> tuple[str, Client | None, Reading]:
    """One server's images; what went wrong in words."""
    client: Client | None = None
    try:
        client = server if isinstance(server, Client) else server() if callable(server) else connect(server)
        return name, client, read(client.images)
    except LxdImageError as error:
        return name, client, Reading([], None, why(error))
