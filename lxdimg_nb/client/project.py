"""One project of one server, as every verb needs it: `Project`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import quote

from lxdimg_nb.client.dialect import Dialect
from lxdimg_nb.client.events import Events
from lxdimg_nb.client.files.hashing import HashCache
from lxdimg_nb.client.http.transport import Reply, Stream, Transport
from lxdimg_nb.client.operations import Operations
from lxdimg_nb.errors import ApiError, InvalidRequestError, NotAllowedError, NotFoundError, UnexpectedReplyError
from lxdimg_nb.values import FINGERPRINT, Alias, ImageRecord, Operation, ServerInfo
from lxdimg_nb.values.validation import checked_name

__all__ = ["InProject", "Project", "changes_noted", "open_project", "read_project", "server_info"]

_changes: ContextVar[list[str] | None] = ContextVar("changes", default=None)


@contextmanager
def changes_noted() -> Iterator[list[str]]:
    """Note the requests of this thread that may change something on a server, as `PATCH /1.0/images/…`.

    After an interrupt they tell whether anything can have been done.
    """
    noted: list[str] = []
    token = _changes.set(noted)
    try:
        yield noted
    finally:
        _changes.reset(token)


class InProject(Protocol):
    """What belongs to a project: a client, its images, one image."""

    @property
    def server_project(self) -> Project:
        """The project as the verbs take it."""


class Project:
    """The images of one project on one server: the connection, its dialect, and reading and writing one record.

    Attributes:
        transport: the connection.
        info: the server and the project, as read when connecting.
        dialect: what this server understands.
        name: the project that has the images: `default` where the connected project has none of its own.
        instances: the project that has the instances.
        shared: whether the images are those of `default`, which this connection cannot ask for by that name.
        operations: the server's background work.
        hashes: what was hashed before, for all projects of a connection.
    """

    def __init__(self, transport: Transport, info: ServerInfo, hashes: HashCache | None = None) -> None:
        self.transport = transport
        self.info = info
        self.dialect = Dialect(info)
        self.name = info.images_project or info.project
        self.instances = info.project
        self.shared = info.shares_images and self.name == info.project
        self.operations = Operations(transport, self.name)
        self.hashes = HashCache() if hashes is None else hashes

    def __repr__(self) -> str:
        return f"<Project {self.name} on {self.url}>"

    @property
    def url(self) -> str:
        """The server's address."""
        return self.transport.url

    @property
    def now(self) -> datetime:
        """The time to count ages from: this machine's, or the server's if its clock is behind.

        Neither clock, if wrong, then makes an image look older than it is.
        """
        return min(datetime.now(UTC), self.server_time)

    @property
    def server_time(self) -> datetime:
        """What the server's clock says, to some 1 s."""
        return datetime.now(UTC) + timedelta(seconds=self.transport.clock_offset)

    @property
    def server_project(self) -> Project:
        """Itself."""
        return self

    def in_project(self, name: str) -> Project:
        """Another project of the same server; nothing is asked."""
        if name == self.name == self.instances:
            return self
        info = replace(self.info, project=name, images_project="", shares_images=False)
        return Project(self.transport, info, self.hashes)

    def request(self, method: str, path: str, *, params: Mapping[str, str] | None = None, **content: Any) -> Reply:
        """A request about this project; see `Transport.request`."""
        changes = _changes.get()
        if changes is not None and method != "GET":
            changes.append(f"{method} {path}")
        return self.transport.request(method, path, params={"project": self.name, **(params or {})}, **content)

    def start(self, method: str, path: str, **content: Any) -> Operation:
        """A request that the server answers with an operation."""
        return self.operations.started(self.request(method, path, **content))

    def start_token(self, path: str, **content: Any) -> Operation:
        """A POST that the server answers with a token operation: its `secret` is there.

        Raises:
            UnexpectedReplyError: it names no secret.
        """
        token = self.start("POST", path, **content)
        if not token.secret:
            raise UnexpectedReplyError(f"{self.url} made a token without a secret; is it LXD or Incus?")
        return token

    def events(self, on_lost: Callable[[], None]) -> Events:
        """What happens to its images from here on.

        Args:
            on_lost: called when the connection breaks.

        Raises:
            ApiError: this connection may not read them.
        """
        if self.shared:
            raise NotAllowedError("the events of these images are another project's", status_code=403)
        return Events(self.transport, ["lifecycle"], project=self.name, on_lost=on_lost)

    def own(self, record: ImageRecord) -> ImageRecord:
        """A record of this project; where the images are those of `default`, under the name they can be asked for."""
        if not self.shared or record.project == self.name:
            return record
        return ImageRecord({**record.raw, "project": self.name}, self.name)

    def read(self, fingerprint: str) -> ImageRecord:
        """The image of that full fingerprint.

        Raises:
            NotFoundError: there is none, or not for this connection.

        Source: GET /1.0/images/{fingerprint}.
        """
        return self.read_tagged(fingerprint)[0]

    def read_tagged(self, fingerprint: str) -> tuple[ImageRecord, str]:
        """As `read`, with the ETag that the server gave."""
        if not isinstance(fingerprint, str) or not FINGERPRINT.match(fingerprint):
            raise InvalidRequestError(f"{fingerprint!r} is no full fingerprint")
        try:
            reply = self.request("GET", f"/1.0/images/{fingerprint}")
        except NotFoundError as error:
            raise self.no_image(fingerprint[:12]) from error
        return self.own(self.record(reply.metadata, fingerprint)), reply.etag

    def record(self, data: object, fingerprint: str) -> ImageRecord:
        """The record in a reply about one image.

        Raises:
            UnexpectedReplyError: it is of another image, which nobody asked to see, change or delete.
        """
        found = ImageRecord.from_json(data, project=self.name)
        if found.fingerprint != fingerprint:
            raise UnexpectedReplyError(
                f"{self.url} answers with the image {found.fingerprint[:12]} where {fingerprint[:12]} was asked for"
            )
        return found

    def find(self, fingerprint: str) -> ImageRecord | None:
        """The image of that full fingerprint; None when there is none."""
        try:
            return self.read(fingerprint)
        except NotFoundError:
            return None

    def holds(self, fingerprint: str) -> bool:
        """Whether the image of that full fingerprint is there."""
        return self.find(fingerprint) is not None

    def write(self, method: str, fingerprint: str, body: Mapping[str, Any], etag: str) -> None:
        """PUT or PATCH of one image, if it still has that ETag."""
        self.request(method, f"/1.0/images/{fingerprint}", json=dict(body), headers={"If-Match": etag})

    @contextmanager
    def content(self, fingerprint: str, *, start: int | None = None) -> Iterator[Stream]:
        """The bytes of an image as the server sends them, from the byte `start` on where the server can.

        Source: GET /1.0/images/{fingerprint}/export.
        """
        headers = None if start is None else {"Range": f"bytes={start}-"}
        path = f"/1.0/images/{fingerprint}/export"
        opened = False
        try:
            with self.transport.stream(path, params={"project": self.name}, headers=headers) as stream:
                opened = True
                yield stream
        except ApiError as error:
            lost = error.status_code == HTTPStatus.NOT_FOUND or "no such file" in error.message
            if opened or not lost or self.info.cluster or not self.holds(fingerprint):
                raise
            # LXD 5.0.2 and Incus 6.0.4 delete it with a cached image of another project.
            raise type(error)(
                f"{error.message}; the server lists the image {fingerprint[:12]} but could not read its file; if that "
                "stays so, delete the image and import it again",
                status_code=error.status_code,
            ) from error

    def alias(self, name: str) -> Alias:
        """One alias by its exact name.

        Raises:
            NotFoundError: there is none.

        Source: GET /1.0/images/aliases/{name}.
        """
        return self.alias_tagged(name)[0]

    def alias_tagged(self, name: str) -> tuple[Alias, str]:
        """As `alias`, with the ETag that the server gave."""
        try:
            reply = self.request("GET", alias_path(name))
        except NotFoundError as error:
            raise self.no_alias(name) from error
        return _whole_alias(reply.document("an alias"), name), reply.etag

    def find_alias(self, name: str) -> Alias | None:
        """The alias of exactly that name; None when there is none."""
        try:
            return self.alias(name)
        except NotFoundError:
            return None

    def has_alias(self, name: str) -> bool:
        """Whether there is an alias of exactly that name."""
        return self.find_alias(name) is not None

    def no_alias(self, name: str) -> NotFoundError:
        """The error for an alias that is not there."""
        return NotFoundError(f"no alias {name!r} on {self.url}; list them with images.aliases.all()", status_code=404)

    def no_image(self, name: str) -> NotFoundError:
        """The error for an image that is not there."""
        hint, shortest = "", self.dialect.shortest_prefix
        if 0 < len(name) < shortest and all(c in "0123456789abcdef" for c in name):
            hint = f" (this server wants at least {shortest} digits of a fingerprint)"
        return NotFoundError(
            f"no image or alias {name[:100]!r} in project {self.name} on {self.url}{hint}; list them with images.all()",
            status_code=404,
        )


def _whole_alias(data: Mapping[str, Any], name: str) -> Alias:
    """The alias in a reply about one; what is missing in it would be lost with the next change.

    Raises:
        UnexpectedReplyError: it is another one, points at no image, or says no description.
    """
    found = Alias.from_json(data)
    if found.name != name or not FINGERPRINT.match(found.target) or not isinstance(data.get("description"), str):
        raise UnexpectedReplyError(
            f"the server sent something else where the alias {name!r} was due; is it LXD or Incus?"
        )
    return found


def alias_path(name: str) -> str:
    """The path of an alias on the server."""
    return f"/1.0/images/aliases/{quote(checked_name(name, 'an alias'), safe='')}"


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
    project = checked_name(project, "a project")
    reply = transport.request("GET", "/1.0", params={"project": project} if project != "default" else None)
    info = replace(ServerInfo.from_json(reply.metadata, project=project), clock_offset=transport.clock_offset)
    if project == "default" or not info.trusted:
        return info
    try:
        config = read_project(transport, project).get("config")
    except (NotFoundError, NotAllowedError) as error:
        raise type(error)(
            f"no project {project!r} on {transport.url}, or not for this connection; projects() names those there are",
            status_code=error.status_code,
        ) from error
    if not isinstance(config, dict) or config.get("features.images") != "false":
        return info
    try:
        read_project(transport, "default")
    except (NotFoundError, NotAllowedError):
        return replace(info, shares_images=True)
    return replace(info, shares_images=True, images_project="default")


def read_project(transport: Transport, name: str) -> Mapping[str, Any]:
    """A project as the server describes it: its `config`, and in `used_by` what it holds.

    Source: GET /1.0/projects/{name}.
    """
    return transport.request("GET", f"/1.0/projects/{quote(name, safe='')}").document("a project")


def open_project(transport: Transport, name: str, hashes: HashCache | None = None) -> Project:
    """The project of that name, after asking the server; see `server_info`."""
    return Project(transport, server_info(transport, name), hashes)
