"""`Fleet`: many servers as one inventory. A server that does not answer is only missing, and `status()` says so."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from lxdimg_nb import filters
from lxdimg_nb.client.config.remotes import remotes
from lxdimg_nb.errors import InvalidRequestError, LxdImageError
from lxdimg_nb.inventory.fleet.drift import drift
from lxdimg_nb.inventory.fleet.server_query import Answer, DaemonThreadExecutor, Query, connected, query_server
from lxdimg_nb.inventory.frame.conditions import same_servers
from lxdimg_nb.inventory.frame.frame import InventoryFrame, Part, fleet_frame
from lxdimg_nb.text import display, formats
from lxdimg_nb.text.secret import hide_address, hide_addresses, shown_address
from lxdimg_nb.text.styled_frame import StyledFrame, frame_table
from lxdimg_nb.text.tables import Table
from lxdimg_nb.values.validation import checked_name

if TYPE_CHECKING:
    from lxdimg_nb.client import Client

__all__ = ["Fleet"]

_SAME = "the same images as {}: one cluster, or one server under two names"


class Fleet:
    """Several servers, asked at the same time.

    Args:
        servers: clients, remotes, addresses, or functions that connect, or one of these; a mapping gives them
            names. A password in an address is not part of the server's name.
        executor: any `concurrent.futures.Executor`, also that of a Dask cluster (`client.get_executor()`); by
            default threads. One that uses other processes takes remotes and addresses, but no clients.
        timeout: seconds that a server has to answer completely.

    Raises:
        InvalidRequestError: no servers, or two of one name.
    """

    def __init__(
        self,
        servers: Mapping[str, Any] | Iterable[Any],
        *,
        executor: Executor | None = None,
        timeout: float = 60.0,
    ) -> None:
        servers = hide_address(servers)
        if isinstance(servers, str) or hasattr(servers, "images"):
            servers = [servers]
        if not isinstance(servers, Iterable):
            raise InvalidRequestError("a fleet is made of clients, remotes or addresses: Fleet(['staging', client])")
        servers = hide_addresses(dict(servers) if isinstance(servers, Mapping) else list(servers))
        pairs = servers.items() if isinstance(servers, dict) else [(_name(spec), spec) for spec in servers]
        self._servers: dict[str, Any] = {}
        for given, spec in pairs:
            # The name is in the frame, in titles and in messages.
            name = checked_name(shown_address(str(given)), "a server")
            if name in self._servers:
                raise InvalidRequestError(
                    f"two servers of the fleet are called {name!r}; give them names: Fleet({{'name': server, …}})"
                )
            self._servers[name] = spec
        if not self._servers:
            raise InvalidRequestError("a fleet has at least one server")
        self._executor = executor
        self._timeout = timeout
        self._answers: dict[str, Answer] = {}
        self._last: InventoryFrame | None = None

    @classmethod
    def from_config(
        cls, names: Iterable[str] | None = None, *, executor: Executor | None = None, timeout: float = 60.0
    ) -> Fleet:
        """A fleet of the remotes in the configuration of `lxc` and `incus` that are LXD or Incus servers.

        Args:
            names: only these remotes; by default all, without image catalogues.
            executor: as above.
            timeout: as above.

        Raises:
            InvalidRequestError: no such remote, or none at all.
        """
        # Built-in remotes have no folder; they exist on machines without a server, too.
        found = [r for r in remotes() if r.protocol in ("lxd", "incus") and r.folder]
        known = {r.full_name: r.full_name for r in found}
        short = Counter(r.name for r in found)
        known |= {r.name: r.full_name for r in found if short[r.name] == 1}
        all_names = [r.name if short[r.name] == 1 else r.full_name for r in found]
        chosen = all_names if names is None else list(names)
        unknown = [name for name in chosen if name not in known]
        if unknown or not chosen:
            there = ", ".join(all_names) or "none"
            what = f"no remote {unknown[0]!r}" if unknown else "no LXD or Incus remote"
            raise InvalidRequestError(f"{what} in the configuration of lxc or incus; there: {there}")
        if len(set(chosen)) < len(chosen):
            raise InvalidRequestError("a remote is named twice; name each once")
        return cls({name: known[name] for name in chosen}, executor=executor, timeout=timeout)

    @property
    def names(self) -> list[str]:
        """The servers' names, in the order given."""
        return list(self._servers)

    def df(
        self,
        *,
        all_projects: bool = False,
        filter: str | None = None,
        used_by: bool = False,
        extra: bool = False,
    ) -> InventoryFrame:
        """The inventory of all servers that answer, indexed by `(server, project, fingerprint)`.

        Args:
            all_projects: of every project of each server.
            filter: only these images.
            used_by: add a column with the instances made from each image, None if a server did not say; takes one
                more request for each server.
            extra: as for one server.

        Returns:
            `attrs["servers"]` describes each server, `attrs["unanswered"]` names those that are missing, and
            `attrs["partial"]` those that gave only some of their images; `status()` says why.

        Raises:
            InvalidRequestError: a filter that makes no sense, or with a property that no image has.
        """
        filters.parse(filter)
        answers = self._query(Query(all_projects, used_by, self._timeout, filter or ""))
        if filter and any(answer.has_images for answer in answers.values()):
            filters.parse(filter, known_properties={key for a in answers.values() for key in a.properties})
        parts = [Part(name, answer.records, answer.used_by) for name, answer in answers.items()]
        left_out = sum(answer.left_out for answer in answers.values())
        made = fleet_frame(
            parts,
            extra=extra,
            used_by=used_by,
            attrs=({"left_out": left_out} if left_out else {})
            | {
                "project": "*" if all_projects else "",
                "filter": filter or "",
                "server": f"{sum(a.has_images for a in answers.values())} of {len(answers)} servers",
                "servers": {name: dict(answer.server or {}) for name, answer in answers.items()},
                "unanswered": [name for name, answer in answers.items() if not answer.has_images],
                "partial": [name for name, answer in answers.items() if answer.has_images and not answer.complete],
            },
        )
        # The records would take more than twice the memory of the frame.
        self._answers = {name: replace(a, records=(), images=len(a.records)) for name, a in answers.items()}
        self._last = made
        return made

    def status(self) -> StyledFrame:
        """How and how fast each server answered the last `df()`; calls it if there was none.

        Returns:
            A row a server: `state` is ok, partial (images are missing, or who uses them), untrusted (public
            images only), refused, unreachable, timeout or failed; `images`, `seconds`, product, version, url,
            project, and `error`, which also says which servers are members of one cluster.
        """
        if not self._answers:
            self.df()
        same = same_servers({name: answer.server for name, answer in self._answers.items()})
        notes = {name: _SAME.format(names[0]) for names in same for name in names[1:]}
        rows = [
            {
                "state": answer.state,
                "error": "; ".join(text for text in (answer.error, notes.get(name)) if text),
                "images": answer.images,
                "seconds": round(answer.seconds, 3),
                **{key: (answer.server or {}).get(key, "") for key in ("product", "version", "url", "project")},
            }
            for name, answer in self._answers.items()
        ]
        return StyledFrame(rows, index=pd.Index(list(self._answers), name="server"))

    def drift(self, *, by: str = "alias") -> pd.DataFrame:
        """Where the servers differ, in the last `df()`; see `df.lxdimg.drift()`."""
        frame = self._last if self._last is not None else self.df()
        return drift(frame, by=by)

    def panel(self) -> Any:
        """A panel of the images of all servers, for the end of a notebook cell. An image is changed on its own server.

        Servers given as remotes, addresses or functions stay connected while the panel is used.
        """
        from lxdimg_nb.panels import fleet_panel

        return fleet_panel(self._servers)

    @contextmanager
    def connected(self, names: Iterable[str]) -> Iterator[tuple[dict[str, Client], dict[str, str]]]:
        """Clients of servers by name, and errors of those that cannot be reached. New clients are closed at the end.

        Raises:
            InvalidRequestError: the fleet has no such server.
        """
        wanted = sorted({*names})
        if unknown := [name for name in wanted if name not in self._servers]:
            raise InvalidRequestError(f"the fleet has no server {unknown[0]!r}; it has {', '.join(self._servers)}")
        clients: dict[str, Client] = {}
        lost: dict[str, str] = {}
        try:
            for name in wanted:
                try:
                    clients[name] = connected(self._servers[name], self._timeout)
                except LxdImageError as error:
                    lost[name] = error.message
            yield clients, lost
        finally:
            for name, client in clients.items():
                if client is not self._servers[name]:
                    client.close()

    def close(self) -> None:
        """Close the clients that were given; others are closed already."""
        for spec in self._servers.values():
            if hasattr(spec, "images"):
                spec.close()

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        names = ", ".join(display.sanitize(name, 80) for name in self._servers)
        return f"<Fleet of {formats.plural(len(self._servers), 'server')}: {names}>"

    def _repr_html_(self) -> str:
        title = f"Fleet of {formats.plural(len(self._servers), 'server')}"
        if self._answers:
            return frame_table(self.status(), title=title).html()
        return Table(("server",), tuple((name,) for name in self._servers), title, "not asked yet").html()

    def _query(self, query: Query) -> dict[str, Answer]:
        executor = self._executor or DaemonThreadExecutor()
        began = time.monotonic()
        futures: dict[str, Future[Answer]] = {
            name: executor.submit(query_server, spec, query) for name, spec in self._servers.items()
        }
        wait(futures.values(), timeout=self._timeout)
        seconds = time.monotonic() - began
        return {name: _outcome(future, seconds, self._timeout) for name, future in futures.items()}


def _name(spec: Any) -> str:
    name = spec if isinstance(spec, str) else getattr(spec, "url", None)
    if isinstance(name, str):
        return name
    raise InvalidRequestError(f"a {type(spec).__name__} has no name for a fleet; name it: Fleet({{'name': server, …}})")


def _outcome(future: Future[Answer], seconds: float, timeout: float) -> Answer:
    if not future.done():
        future.cancel()
        return Answer("timeout", seconds, error=f"no complete answer within {timeout:g} s")
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, TypeError) and "pickle" in str(error):
        raise InvalidRequestError(
            "a client cannot travel to another process; give the fleet remotes or addresses"
        ) from error
    return Answer("failed", seconds, error=f"{type(error).__name__}: {error}")
