"""The state of `%lxdimg` between lines: the connected client, clients of other remotes, and their known images.

The connected client is the one that `%lxdimg connect`, `%lxdimg demo` or a setting chose. Where nothing was chosen it
is the one open client among the user's variables, as long as it is one of them and open, else that of `connect()`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from lxdimg_nb.client import Client, connect
from lxdimg_nb.client.config.remotes import remotes_by_name
from lxdimg_nb.errors import InvalidRequestError, LxdImageError, NotFoundError, ServerUnreachableError
from lxdimg_nb.magics.session.known_images import KnownImages
from lxdimg_nb.magics.session.messages import did_you_mean, echo
from lxdimg_nb.magics.session.user_clients import describe, only_client, same_server_key, user_clients
from lxdimg_nb.text.secret import hide_address, shown_address


def remote_names() -> list[str]:
    """The remotes in the configuration files of lxc and incus."""
    try:
        return list(remotes_by_name())
    except LxdImageError:
        return []


def split_remote(text: str) -> tuple[str, str]:
    """Split `remote:name`, or `lxc:remote:name` with the tool that the remote belongs to. The remote may be empty."""
    home, colon, rest = text.partition(":")
    if colon and home in ("lxc", "lxd", "incus", "lxdimg") and ":" in rest:
        remote, _, name = rest.partition(":")
        return f"{home}:{remote}", name
    return ("", text) if not colon or not home or "/" in home else (home, rest)


_Origin = Literal["", "chosen", "variable", "completion"]
"""Where the client comes from: nowhere yet, chosen by the user or by a verb, found in a variable, made for Tab."""


class Session:
    """The servers of one IPython session. `connected` is called with each server that the session connects to."""

    def __init__(self, shell: Any, connected: Callable[[str], None]) -> None:
        self.shell = shell
        self._connected = connected
        # Never held during a request, because completion needs it, too.
        self._lock = threading.RLock()
        # Counts calls of `reset`: a client that was being opened meanwhile is not kept.
        self._generation = 0
        self._client: Client | None = None
        self._wanted = ""
        self._origin: _Origin = ""
        self._own: set[int] = set()
        self._others: dict[tuple[str, str | None], Client] = {}
        self._known: dict[tuple[str, str], KnownImages] = {}
        self._warming: threading.Thread | None = None
        self.demo: Any = None

    @property
    def current(self) -> Client | None:
        """The connected client, or None; does not connect."""
        return self._client

    @property
    def client(self) -> Client:
        """The connected client; finds it or connects on first use.

        Raises:
            InvalidRequestError: several clients are among the user's variables, and none was chosen.
        """
        while True:
            with self._lock:
                self._look_for_client()
                if self._client is not None:
                    return self._client
                wanted, generation = self._wanted, self._generation
            made = self._open_default(wanted)
            with self._lock:
                if generation == self._generation and self._client is None:
                    self._use(made, own=True, origin="chosen")
                    return made
            made.close()

    def _look_for_client(self) -> None:
        """Where nothing was chosen, use the open client among the user's variables and say so."""
        if self._origin == "chosen" or (self._origin == "variable" and self._is_held()):
            return
        if self._origin == "variable":
            self.connect_lazily("")
        found = only_client(self.shell.user_ns)
        if found is not None:
            name, client = found
            self.use(client, origin="variable")
            echo(f"using ${name}: {describe(client)}")
        elif self._origin == "completion":
            self._origin = "chosen"

    def _is_held(self) -> bool:
        """Whether the client is still open and one of the user's variables, or another of the same server is."""
        assert self._client is not None
        key = same_server_key(self._client)
        return not self._client.closed and any(
            same_server_key(client) == key for client in user_clients(self.shell.user_ns).values()
        )

    def _open_default(self, wanted: str) -> Client:
        try:
            return self._open(wanted, None)
        except ServerUnreachableError as error:
            closed = [] if wanted else list(user_clients(self.shell.user_ns, closed=True))
            if closed:
                error.add_note(f"(${closed[0]} is a client that was closed; %lxdimg connect ${closed[0]} opens it.)")
            raise

    def connect(self, where: str, project: str | None = None, **options: Any) -> Client:
        """Connect to a server; if that fails, the session keeps its client."""
        client = self._open(where, project, **options)
        self.use(client, name=where, own=True)
        return client

    def use(self, client: Client, *, name: str = "", own: bool = False, origin: _Origin = "chosen") -> None:
        """Use this client from now on; it is closed with the session only if `own`."""
        with self._lock:
            self.reset()
            self._use(client, own=own, name=name, origin=origin)

    def _use(self, client: Client, *, own: bool, origin: _Origin, name: str = "") -> None:
        self._client, self._origin = client, origin
        self._wanted = name or self._wanted or client.url
        if own:
            self._own.add(id(client))
        # A URL may contain a password, and this one is shown.
        self._connected(client.url if "@" in self._wanted else self._wanted)
        self.known_images(client).refresh()

    def connect_lazily(self, where: str) -> None:
        """Connect to this server the next time one is needed."""
        with self._lock:
            self.reset()
            self._wanted = hide_address(where)
            self._origin = "chosen" if where else ""
            self._connected(shown_address(where))

    def reset(self) -> None:
        """Close every client opened here and drop their known images; keep the demo server."""
        with self._lock:
            self._generation += 1
            known, self._known = list(self._known.values()), {}
            clients = [c for c in [self._client, *self._others.values()] if c is not None]
            own, self._own = self._own, set()
            self._client, self._wanted, self._others, self._origin = None, "", {}, ""
        for one in known:
            one.close()
        for client in clients:
            if id(client) in own:
                client.close()

    def close(self) -> None:
        """Close everything, including the demo server."""
        self.reset()
        demo, self.demo = self.demo, None
        if demo is not None:
            demo.close()

    def _open(self, where: str, project: str | None, **options: Any) -> Client:
        return connect(where or None, project=project, **options)

    def opened(self, remote: str = "", project: str | None = None) -> Client | None:
        """As `client_for`, but None if that client has not been opened."""
        client = self._client if self._client is not None or remote else self._quietly_found()
        if not remote and (client is None or project in (None, client.project)):
            return client
        return self._others.get((remote, project))

    def _quietly_found(self) -> Client | None:
        """The client among the user's variables that the next verb will use."""
        try:
            found = None if self._origin == "chosen" else only_client(self.shell.user_ns)
        except InvalidRequestError:
            return None
        return found[1] if found is not None else None

    def client_for(self, remote: str = "", project: str | None = None) -> Client:
        """The client for a remote (empty: the connected server) and a project (None: that of the client)."""
        if not remote and (project is None or project == self.client.project):
            return self.client
        key = (remote, project)
        with self._lock:
            found, generation = self._others.get(key), self._generation
        if found is not None:
            return found
        made = self._open(remote, project) if remote else self._in_project(str(project))
        with self._lock:
            if generation != self._generation:
                return made
            kept = self._others.setdefault(key, made)
            if remote and kept is made:
                self._own.add(id(made))
        if remote and kept is not made:
            made.close()
        return kept

    def _in_project(self, project: str) -> Client:
        client = self.client
        try:
            return client.in_project(project)
        except NotFoundError as error:
            hint = did_you_mean(project, self.known_images(client).projects or client.projects())
            raise NotFoundError(
                f"no project {project!r} on {client.url}, or no access to it; {hint}"
                "%lxdimg list --all-projects shows what there is",
                status_code=404,
            ) from error

    def warm(self, remote: str = "") -> None:
        """Refresh the known images of a server in the background, connecting if necessary; returns at once."""
        with self._lock:
            client = self.opened(remote)
            if client is not None:
                self.known_images(client).refresh()
            elif self._warming is None or not self._warming.is_alive():
                connecting = (remote, self._wanted, self._generation)
                self._warming = threading.Thread(target=self._warm, args=connecting, name="lxdimg-warm", daemon=True)
                self._warming.start()

    def _warm(self, remote: str, wanted: str, generation: int) -> None:
        try:
            made = self._open(remote or wanted, None)
        except LxdImageError:
            return  # The next verb reports the error.
        with self._lock:
            if generation == self._generation and self.opened(remote) is None:
                if remote:
                    self._others[remote, None] = made
                    self._own.add(id(made))
                    self.known_images(made).refresh()
                else:
                    self._use(made, own=True, origin="completion")
                return
        # The session was closed meanwhile, or has another client for this.
        made.close()

    def known_images(self, client: Client) -> KnownImages:
        """The known images of a client."""
        with self._lock:
            return self._known.setdefault((client.url, client.project), KnownImages(client))


@dataclass(slots=True)
class Invocation:
    """One run of a verb; the `obj` of click's contexts.

    `body` is the cell below `%%lxdimg`, None for `%lxdimg`; the others are set by options.
    """

    session: Session
    body: str | None = None
    project: str | None = None
    result_name: str | None = None
    vm: bool = False
    background: bool = False

    def client(self, remote: str = "") -> Client:
        """The client for a remote, or the connected one, in the project of `--project`."""
        return self.session.client_for(remote, self.project)
