"""The panel of many servers: one list with a column for the server. Each image is changed on its own server."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lxdimg_nb.client import Client, Images, connect
from lxdimg_nb.errors import LxdImageError
from lxdimg_nb.inventory.frame.conditions import same_servers
from lxdimg_nb.panels.base.ui_text import error_text, product_name
from lxdimg_nb.panels.image.image_row import Row
from lxdimg_nb.panels.images.images_panel import ImagesPanel
from lxdimg_nb.panels.images.live_list import LiveList
from lxdimg_nb.panels.images.table_columns import DEFAULT_COLUMNS
from lxdimg_nb.text import display, formats

__all__ = ["FleetPanel"]

MAX_THREADS = 16


class FleetPanel(ImagesPanel):
    """The panel that `Fleet(…).panel()` returns.

    Args:
        servers: by name a client, a remote's name, an address or a function that connects.
    """

    kind = "fleet"

    def __init__(self, servers: Mapping[str, Any]) -> None:
        self._servers = dict(servers)
        self._clients: dict[str, Client] = {n: s for n, s in servers.items() if isinstance(s, Client)}
        super().__init__(None)
        self.table.columns = ("server", *DEFAULT_COLUMNS)
        for name in (*self.upload.handlers, *self.bulk.handlers, "project"):
            del self._handlers[name]

    def images_for(self, row: Row | None) -> Images:
        return self._clients[row.server if row is not None else next(iter(self._clients))].images

    def read_lists(self) -> list[LiveList]:
        with ThreadPoolExecutor(max_workers=MAX_THREADS, thread_name_prefix="lxdimg-fleet") as pool:
            return list(pool.map(self._read_list, self._servers))

    def _read_list(self, name: str) -> LiveList:
        server = self._clients.get(name, self._servers[name])
        try:
            client = server if isinstance(server, Client) else server() if callable(server) else connect(server)
            if not self.actor.post(lambda: self._connected(name, client)):
                # The panel has been closed meanwhile.
                self._disconnect(name, client)
                return LiveList(None, name)
            return LiveList(client.images, name)
        except LxdImageError as error:
            return LiveList(None, name, error_text(error))

    def _connected(self, name: str, client: Client) -> None:
        self._clients[name] = client
        self.table.same = {name: same[0] for same in self._same_servers() for name in same}
        if self.ended:
            self._disconnect(name, client)

    def _same_servers(self) -> list[list[str]]:
        """Names of members of one cluster, or of one server that has two."""
        return same_servers({n: {"identity": c.info.certificate_fingerprint} for n, c in self._clients.items()})

    def _disconnect(self, name: str, client: Client) -> None:
        """Close what the panel connected to itself; a transfer that still runs opens a connection of its own again."""
        if client is not self._servers[name]:
            client.close()

    def end(self) -> None:
        super().end()
        for name, client in self._clients.items():
            self._disconnect(name, client)

    def header(self) -> dict[str, Any]:
        clients = list(self._clients.items())[:8]
        names = ", ".join(f"{display.sanitize(n, 40)} ({product_name(c.info)})" for n, c in clients)
        product = f"Fleet of {formats.plural(len(self._servers), 'server')}"
        for same in self._same_servers():
            product += f" · {display.sanitize(', '.join(same), 60)}: the same images"
        return {"product": product, "address": names, "project": "", "trusted": True, "uploads": False}

    def title(self) -> str:
        images = formats.plural(len(self.table.rows), "image")
        return f"{images} of {formats.plural(len(self._servers), 'server')}"
