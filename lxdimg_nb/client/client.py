"""A connection to one server, working in one project: `Client`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from types import TracebackType

from lxdimg_nb.client.events import Events
from lxdimg_nb.client.http.transport import Transport
from lxdimg_nb.client.images import Images
from lxdimg_nb.client.operations import Operations
from lxdimg_nb.client.project import Project, open_project
from lxdimg_nb.client.verbs.read.projects import project_names
from lxdimg_nb.values import ServerInfo

__all__ = ["Client"]


class Client:
    """A connection to one LXD or Incus server. Made by `lxdimg_nb.connect()`; usable from several threads.

    Use it as a context manager, or call `close()`; both close its idle connections.

    Args:
        project: what it works in.
        on_close: called by `close()`, too.
    """

    def __init__(self, project: Project, *, on_close: Callable[[], None] | None = None) -> None:
        self._project = project
        self._on_close = on_close

    @property
    def server_project(self) -> Project:
        """The project as the verbs take it."""
        return self._project

    @property
    def transport(self) -> Transport:
        """The HTTP connection, for requests that this package has no method for."""
        return self._project.transport

    @property
    def url(self) -> str:
        """The server's address."""
        return self._project.url

    @property
    def info(self) -> ServerInfo:
        """Product, version, trust, project and cluster, as read when connecting."""
        return self._project.info

    @property
    def project(self) -> str:
        """The project that this client works in."""
        return self.info.project

    @cached_property
    def images(self) -> Images:
        """The images of the project."""
        return Images(self._project)

    @property
    def operations(self) -> Operations:
        """The server's background work."""
        return Operations(self.transport, self.project)

    def has_extension(self, name: str) -> bool:
        """Whether the server names that API extension."""
        return self._project.dialect.has(name)

    def events(self, types: Iterable[str] = ("lifecycle", "operation"), *, all_projects: bool = False) -> Events:
        """What happens on the server, as it happens: an iterator that reconnects and says that it did.

        Args:
            types: of `lifecycle`, `operation`, `logging` …
            all_projects: of every project instead of this one.

        Raises:
            NotAllowedError: this connection may not read events.

        Source: GET /1.0/events.
        """
        return Events(self.transport, types, project=self.project, all_projects=all_projects)

    def projects(self) -> list[str]:
        """The names of the projects that this connection may see.

        Source: GET /1.0/projects.
        """
        return project_names(self._project)

    def in_project(self, name: str) -> Client:
        """A client for another project of the same server; it shares the connections.

        Raises:
            NotFoundError: no such project, or not for this connection.
        """
        return Client(open_project(self.transport, name, self._project.hashes))

    def reload(self) -> ServerInfo:
        """Read `info` again: the server may have been updated."""
        self._project = open_project(self.transport, self.project, self._project.hashes)
        self.__dict__.pop("images", None)
        return self.info

    def close(self) -> None:
        """Close the idle connections. A later call opens new ones, unless this ended a demo server (`connect`)."""
        self.transport.close()
        if self._on_close is not None:
            self._on_close()

    @property
    def closed(self) -> bool:
        """Whether `close()` was called, on this client or on one that shares its connections."""
        return self.transport.closed

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _repr_html_(self) -> str:
        return self.info.table(title=self.url).html()

    def __repr__(self) -> str:
        info = self.info
        name = {"lxd": "LXD", "incus": "Incus"}[info.product]
        clock = f", its clock {info.clock} this machine's" if info.clock else ""
        return f"<Client {name} {info.version} at {self.url}, project {self.project}, {info.auth}{clock}>"
