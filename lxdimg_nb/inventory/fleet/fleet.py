"""Many servers as one inventory. A server that does not answer costs its row in `status()` and nothing else."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pandas as pd

from lxdimg_nb import filters
from lxdimg_nb.errors import InvalidRequestError, LxdImageError
from lxdimg_nb.inventory.fleet.drift import drift
from lxdimg_nb.inventory.fleet.server_query import Answer, Question, Threads, ask, connected
from lxdimg_nb.inventory.frame.frame import InventoryFrame, Part, fleet_frame
from lxdimg_nb.text import display, formats
from lxdimg_nb.text.styled_frame import StyledFrame, frame_table

if TYPE_CHECKING:
    from lxdimg_nb.client import Client

__all__ = ["Fleet"]


class Fleet:
    """Several servers, asked at the same time.

    Args:
        servers: clients, remotes, addresses, or calls that connect, or one of these; a mapping gives them
            names of their own.
        executor: where the asking is done; by default threads here. Any `concurrent.futures.Executor` will
            do, a Dask cluster's (`client.get_executor()`) too; one that works in other processes cannot
            take clients, but remotes and addresses.
        timeout: seconds that a server has to answer in full.

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
        if isinstance(servers, str) or hasattr(servers, "images"):
            servers = [servers]
        if not isinstance(servers, Iterable):
            raise InvalidRequestError("a fleet is made of clients, remotes or addresses: Fleet(['staging', client])")
        pairs = servers.items() if isinstance(servers, Mapping) else [(_name(spec), spec) for spec in servers]
        self._servers: dict[str, Any] = {}
        for name, spec in pairs:
            if name in self._servers:
                raise InvalidRequestError(
                    f"two servers of the fleet are called {name!r}; give them names: Fleet({{'name': server, …}})"
                )
            self._servers[str(name)] = spec
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
        """The remotes of `lxc`'s and `incus`' own configuration that hold images of their own.

        Args:
            names: only these; by default all LXD and Incus remotes, without the public catalogues.
            executor: as above.
            timeout: as above.

        Raises:
            InvalidRequestError: no such remote, or none at all.
        """
        from lxdimg_nb.client.config.remotes import remotes

        # What is built in and not written down is there on every machine, with and without a server.
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
        """The inventory of all servers that answer, with the index `(server, project, fingerprint)`.

        Args:
            all_projects: of every project of each server.
            filter: only these images.
            used_by: a column with the instances made from each, None where a server did not tell; one request
                more a server.
            extra: as for one server.

        Returns:
            `attrs["servers"]` says of each what it is, `attrs["unanswered"]` names those that are missing, and
            `attrs["partial"]` those that gave only some of their images; `status()` says why.

        Raises:
            InvalidRequestError: a filter that makes no sense, or asks for a property that no image has.
        """
        filters.parse(filter)
        answers = self._ask(Question(all_projects, used_by, self._timeout, filter or ""))
        if filter and any(answer.heard for answer in answers.values()):
            filters.parse(filter, known_properties={key for a in answers.values() for key in a.properties})
        parts = [Part(name, answer.records, answer.used_by) for name, answer in answers.items()]
        made = fleet_frame(
            parts,
            extra=extra,
            used_by=used_by,
            attrs={
                "project": "*" if all_projects else "",
                "filter": filter or "",
                "server": f"{sum(a.heard for a in answers.values())} of {len(answers)} servers",
                "servers": {name: dict(answer.facts or {}) for name, answer in answers.items()},
                "unanswered": [name for name, answer in answers.items() if not answer.heard],
                "partial": [name for name, answer in answers.items() if answer.heard and not answer.whole],
            },
        )
        # The records would hold more than twice the memory of the frame.
        self._answers = {name: replace(a, records=(), images=len(a.records)) for name, a in answers.items()}
        self._last = made
        return made

    def status(self) -> pd.DataFrame:
        """Who answered the last `df()`, how, and how fast; asks when there was none.

        Returns:
            A row a server: `state` is ok, partial (images are missing, or who uses them), untrusted (public
            images only), refused, unreachable, timeout or failed; `images`, `seconds`, product, version, url,
            project, and `error`.
        """
        if not self._answers:
            self.df()
        rows = [
            {
                "state": answer.state,
                "images": answer.images,
                "seconds": round(answer.seconds, 3),
                **{key: (answer.facts or {}).get(key, "") for key in ("product", "version", "url", "project")},
                "error": answer.error,
            }
            for answer in self._answers.values()
        ]
        return StyledFrame(rows, index=pd.Index(list(self._answers), name="server"))

    def drift(self, *, by: str = "alias") -> pd.DataFrame:
        """Where the servers differ, in the last `df()`; see `df.lxdimg.drift()`."""
        frame = self._last if self._last is not None else self.df()
        return drift(frame, by=by)

    def panel(self) -> Any:
        """The browser of all servers' images, for the end of a notebook cell; what is done is done on the image's own.

        Servers that were given as remotes, addresses or calls are connected to for as long as the panel is used.
        """
        from lxdimg_nb.panels import fleet_panel

        return fleet_panel(self._servers)

    @contextmanager
    def connected(self, names: Iterable[str]) -> Iterator[tuple[dict[str, Client], dict[str, str]]]:
        """Clients of these servers by name, and of those that are not reached why; what is made here is closed.

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
                    lost[name] = str(error)
            yield clients, lost
        finally:
            for name, client in clients.items():
                if client is not self._servers[name]:
                    client.close()

    def close(self) -> None:
        """Close the clients that were given; those the fleet made for itself are closed already."""
        for spec in self._servers.values():
            if hasattr(spec, "images"):
                spec.close()

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        names = ", ".join(display.sanitize(name, 80) for name in self._servers)
        return f"<Fleet of {formats.plural(len(self._servers), 'server')}: {names}>"

    def _repr_html_(self) -> str:
        title = f"Fleet of {formats.plural(len(self._servers), 'server')}"
        if self._answers:
            return frame_table(self.status(), title=title).html()
        return display.Table(("server",), tuple((name,) for name in self._servers), title, "not asked yet").html()

    def _ask(self, question: Question) -> dict[str, Answer]:
        executor = self._executor or Threads()
        began = time.monotonic()
        futures: dict[str, Future[Answer]] = {
            name: executor.submit(ask, spec, question) for name, spec in self._servers.items()
        }
        wait(futures.values(), timeout=self._timeout)
        seconds = time.monotonic() - began
        return {name: _outcome(future, seconds, self._timeout) for name, future in futures.items()}


def _name(spec: Any) -> str:
    if isinstance(spec, str):
        return spec
    url = getattr(spec, "url", None)
    if isinstance(url, str):
        return url
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
