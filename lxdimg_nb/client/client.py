"""One server, one project: `Client`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from types import TracebackType
from typing import Any
from urllib.parse import quote

from lxdimg_nb.client.dialect import Dialect
from lxdimg_nb.client.events import Events
from lxdimg_nb.client.http.transport import Transport
from lxdimg_nb.client.images import Images
from lxdimg_nb.client.operations import Operations
from lxdimg_nb.client.verbs.listing import project_names
from lxdimg_nb.errors import NotAllowedError, NotFoundError
from lxdimg_nb.values import ServerInfo
from lxdimg_nb.values.validation import checked

__all__ = ["Client"]


class Client:
    """A connection to one LXD or Incus server. Made by `lxdimg_nb.connect()`; usable from several threads.

    Use it as a context manager, or call `close()`; both close its kept connections.
    """

    def __init__(self, transport: Transport, info: ServerInfo) -> None:
        self.transport = transport
        self._info = info
        self.dialect = Dialect(info)

    @property
    def url(self) -> str:
        """The server's address."""
        return self.transport.url

    @property
    def info(self) -> ServerInfo:
        """Who answers: product, version, trust, project, cluster; as read when connecting."""
        return self._info

    @property
    def project(self) -> str:
        """The project that this client works in."""
        return self._info.project

    @cached_property
    def images(self) -> Images:
        """The images of the project."""
        info = self._info
        images_project = info.images_project or info.project
        shared = info.shares_images and images_project == info.project
        return Images(self.transport, self.dialect, images_project, instances=info.project, shared=shared)

    @property
    def operations(self) -> Operations:
        """The server's background work."""
        return Operations(self.transport, self.project)

    def has_extension(self, name: str) -> bool:
        """Whether the server names that API extension."""
        return self.dialect.has(name)

    def events(self, types: Iterable[str] = ("lifecycle", "operation"), *, all_projects: bool = False) -> Events:
        """What happens on the server, as it happens; an iterator that reconnects and says that it did.

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
        return project_names(self.transport)

    def in_project(self, name: str) -> Client:
        """A client for another project of the same server; it shares the connections.

        Raises:
            NotFoundError: no such project, or not for this connection.
        """
        return Client(self.transport, server_info(self.transport, name))

    def reload(self) -> ServerInfo:
        """Read `info` again: the server may have been updated."""
        self._info = server_info(self.transport, self.project)
        self.dialect = Dialect(self._info)
        self.__dict__.pop("images", None)
        return self._info

    def close(self) -> None:
        """Close the kept connections. A later call opens new ones."""
        self.transport.close()

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
        return f"<Client {name} {info.version} at {self.url}, project {self.project}, {info.auth}>"


def server_info(transport: Transport, project: str) -> ServerInfo:
    """Ask a server who it is, and whose images a project shows.

    A project with `features.images` false has the images of `default`. They are asked for there: the server's
    count of a project's images and its events know them under that name only. A connection that may not see
    `default` asks in the project itself.

    Raises:
        ServerUnreachableError, UnexpectedReplyError: nobody, or not LXD or Incus.
        NotFoundError, NotAllowedError: no such project, or not for this connection.

    Source: GET /1.0, GET /1.0/projects/{name}.
    """
    project = checked(project, "a project")
    reply = transport.request("GET", "/1.0", params={"project": project} if project != "default" else None)
    info = ServerInfo.from_json(reply.metadata, project=project)
    if project == "default" or not info.trusted:
        return info
    try:
        config = _config(transport, project)
    except (NotFoundError, NotAllowedError) as error:
        raise type(error)(
            f"no project {project!r} on {transport.url}, or not for this connection; projects() names those there are",
            status_code=error.status_code,
        ) from error
    if config.get("features.images") != "false":
        return info
    try:
        _config(transport, "default")
    except (NotFoundError, NotAllowedError):
        return replace(info, shares_images=True)
    return replace(info, shares_images=True, images_project="default")


def _config(transport: Transport, project: str) -> Mapping[str, Any]:
    metadata = transport.request("GET", f"/1.0/projects/{quote(project, safe='')}").metadata
    config = metadata.get("config") if isinstance(metadata, dict) else None
    return config if isinstance(config, dict) else {}
