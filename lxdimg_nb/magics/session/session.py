"""What `%lxdimg` remembers between two lines: the connected client, other servers by name, what is known of them."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from lxdimg_nb.errors import InvalidRequestError, LxdImageError, NotFoundError
from lxdimg_nb.magics.grammar import nearest
from lxdimg_nb.magics.line.words import Word
from lxdimg_nb.magics.session.known_images import Known
from lxdimg_nb.text.display import plain
from lxdimg_nb.values import FINGERPRINT

if TYPE_CHECKING:
    from lxdimg_nb.client import Client, Image

__all__ = ["Session", "connect_default", "remote_of", "say"]


def say(text: str) -> None:
    """One line for the user, with whatever servers put in it defused."""
    sys.stdout.write(plain(text, 2000) + "\n")
    sys.stdout.flush()


def connect_default(project: str | None = None) -> Client:
    """The server of `$LXDIMG_URL`, else the local one; never the demo."""
    from lxdimg_nb.client import connect

    return connect(os.environ.get("LXDIMG_URL") or None, project=project)


def remote_of(text: str) -> tuple[str, str]:
    """`remote:name` in two; `lxc:images:name` says whose remote. Without a remote it is empty."""
    home, colon, rest = text.partition(":")
    if colon and home in ("lxc", "lxd", "incus", "lxdimg") and ":" in rest:
        remote, _, name = rest.partition(":")
        return f"{home}:{remote}", name
    return ("", text) if not colon or not home or "/" in home else (home, rest)


def _last(key: Any) -> str:
    return str(key[-1] if isinstance(key, tuple) and key else key)


def _fresh(image: Image) -> Image:
    """An image of the user's as it is now; changes made on it and not yet sent are neither sent nor lost."""
    return image.images.get(image.fingerprint) if image.changes else image.reload()


class Session:
    """The servers of one IPython session. `connected` is told where the session is connected."""

    def __init__(self, shell: Any, connected: Callable[[str], None]) -> None:
        self.shell = shell
        self._connected = connected
        # Held for moments only, never while a server is asked: Tab takes it, too.
        self._lock = threading.RLock()
        # What is opened for an earlier turn comes too late to be kept.
        self._turn = 0
        self._client: Client | None = None
        self._wanted = ""
        self._own: set[int] = set()
        self._others: dict[tuple[str, str | None], Client] = {}
        self._known: dict[tuple[str, str], Known] = {}
        self._warming: threading.Thread | None = None
        self.demo: Any = None

    # Which server

    @property
    def current(self) -> Client | None:
        """The connected client, without connecting."""
        return self._client

    @property
    def client(self) -> Client:
        """The connected client; the first use connects."""
        while True:
            with self._lock:
                if self._client is not None:
                    return self._client
                wanted, turn = self._wanted, self._turn
            made = self._open(wanted, None) if wanted else connect_default()
            with self._lock:
                if turn == self._turn and self._client is None:
                    self._use(made, own=True)
                    return made
            made.close()

    def connect(self, where: str, project: str | None = None, **options: Any) -> Client:
        """Connect and stay connected; where that fails, the session stays where it was."""
        client = self._open(where, project, **options) if where else connect_default(project)
        self.use(client, name=where, own=True)
        return client

    def use(self, client: Client, *, name: str = "", own: bool = False) -> None:
        """Stay with this client; one that is not our own is not closed by us."""
        with self._lock:
            self.forget()
            self._use(client, own=own, name=name)

    def _use(self, client: Client, *, own: bool, name: str = "") -> None:
        self._client = client
        self._wanted = name or self._wanted or client.url
        if own:
            self._own.add(id(client))
        # An address can hold a name and a password; what is visible does not.
        self._connected(client.url if "@" in self._wanted else self._wanted)
        self.known(client).refresh()

    def prefer(self, where: str) -> None:
        """Connect there when a server is needed next."""
        with self._lock:
            self.forget()
            self._wanted = where
            self._connected(where)

    def forget(self) -> None:
        """Close what was opened here and know nothing any more; a demo server stays."""
        with self._lock:
            self._turn += 1
            known, self._known = list(self._known.values()), {}
            clients = [c for c in [self._client, *self._others.values()] if c is not None]
            own, self._own = self._own, set()
            self._client, self._wanted, self._others = None, "", {}
        for one in known:
            one.close()
        for client in clients:
            if id(client) in own:
                client.close()

    def close(self) -> None:
        """As `forget`, and stop the demo server."""
        self.forget()
        demo, self.demo = self.demo, None
        if demo is not None:
            demo.close()

    def _open(self, where: str, project: str | None, **options: Any) -> Client:
        from lxdimg_nb.client import connect

        return connect(where, project=project, **options)

    def opened(self, remote: str = "", project: str | None = None) -> Client | None:
        """As `at`, only where it was opened before."""
        client = self._client
        if not remote and (client is None or project in (None, client.project)):
            return client
        return self._others.get((remote, project))

    def at(self, remote: str = "", project: str | None = None) -> Client:
        """The client for a remote (empty: the connected one) and a project (None: its own)."""
        if not remote and (project is None or project == self.client.project):
            return self.client
        key = (remote, project)
        with self._lock:
            found, turn = self._others.get(key), self._turn
        if found is not None:
            return found
        made = self._open(remote, project) if remote else self._in_project(str(project))
        with self._lock:
            if turn != self._turn:
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
            hint = nearest(project, self.known(client).projects or client.projects())
            raise NotFoundError(
                f"no project {project!r} on {client.url}, or not for this connection; {hint}"
                "%lxdimg list --all-projects shows what there is",
                status_code=404,
            ) from error

    def warm(self, remote: str = "") -> None:
        """Have what is known of a server refreshed in the background, connecting if need be; returns at once."""
        client = self.opened(remote)
        if client is not None:
            self.known(client).refresh()
        elif self._warming is None or not self._warming.is_alive():
            self._warming = threading.Thread(target=self._warm, args=(remote,), name="lxdimg-warm", daemon=True)
            self._warming.start()

    def _warm(self, remote: str) -> None:
        try:
            self.known(self.at(remote)).refresh()
        except LxdImageError:
            return  # the next verb says what is wrong

    def known(self, client: Client) -> Known:
        """What is known of a client's images."""
        with self._lock:
            return self._known.setdefault((client.url, client.project), Known(client))

    # Which image

    def named(self, text: str, project: str | None = None) -> tuple[Client, str]:
        """`remote:name` as the remote's client and the name; a name alone is one of the connected server."""
        remote, name = remote_of(text)
        return self.at(remote, project), name

    def image(self, word: Word, project: str | None = None, *, vm: bool = False) -> Image:
        """The one image a word names; with `vm` the virtual machine of that name.

        Raises:
            NotFoundError: there is none; says which one was probably meant.
            InvalidRequestError: a variable with none or with several.
        """
        found = self.images([word], project, vm=vm)
        if len(found) != 1:
            raise InvalidRequestError(f"${word.variable} holds {len(found)} images where one is due")
        return found[0]

    def images(self, words: Iterable[Word], project: str | None = None, *, vm: bool = False) -> list[Image]:
        """The images that words name: aliases, fingerprints, variables with images or frames of them; each once."""
        return list(dict.fromkeys(image for word in words for image in self._of(word, project, vm)))

    def _of(self, word: Word, project: str | None, vm: bool) -> list[Image]:
        from lxdimg_nb.client import Image

        value = word.value
        if value is None:
            return [self._get(word.text, project, vm=vm)]
        if isinstance(value, Image):
            return [_fresh(value)]
        if hasattr(value, "index") and hasattr(value, "columns"):
            return self._of_frame(value, word.variable, project)
        if hasattr(value, "index") and FINGERPRINT.match(_last(getattr(value, "name", ""))):
            # A row of a frame: df.loc[fingerprint], df.iloc[0].
            key = value.name if isinstance(value.name, tuple) else (value.get("project"), value.name)
            if len(key) > 2:
                raise InvalidRequestError(f"${word.variable} is of several servers' frame; name the image of one")
            return [self._get(str(key[-1]), project or key[0], remote=False)]
        if isinstance(value, Iterable) and not isinstance(value, bytes | Mapping):
            items = list(value)
            if all(isinstance(item, str | Image) for item in items):
                return [_fresh(item) if isinstance(item, Image) else self._get(item, project) for item in items]
        raise InvalidRequestError(
            f"${word.variable} is a {type(value).__name__}; images are named by an Image, a text, a list or a frame"
        )

    def _of_frame(self, frame: Any, variable: str, project: str | None) -> list[Image]:
        names = list(frame.index.names)
        if names[-1] != "fingerprint" or "server" in names:
            raise InvalidRequestError(f"${variable} is not a frame of one server's images")
        keys = [key if isinstance(key, tuple) else (key,) for key in frame.index]
        own = frame.attrs.get("project") if "project" not in names else None
        return [
            self._get(str(key[-1]), project or (str(key[0]) if len(key) > 1 else own), remote=False) for key in keys
        ]

    def _get(self, text: str, project: str | None, *, remote: bool = True, vm: bool = False) -> Image:
        from lxdimg_nb.client.simplestreams.server import CatalogueImages

        client, name = self.named(text, project) if remote else (self.at("", project), text)
        if not text:
            raise InvalidRequestError("an empty text names no image")
        if not name:
            raise InvalidRequestError(f"{text!r} names a server and no image; write {text}ALIAS")
        try:
            if vm and isinstance(client.images, CatalogueImages):
                return client.images.get(name, type="virtual-machine")
            image = client.images.get(name)
            if vm and image.type != "virtual-machine":
                raise InvalidRequestError(f"{name!r} is a {image.type} and no virtual machine; leave --vm out")
            return image
        except NotFoundError as error:
            known = self._names(client)
            hint = nearest(name, known)
            what = error.message.removesuffix("; list them with images.all()")
            raise NotFoundError(f"{what}; {hint}%lxdimg list shows them", status_code=404) from error

    @staticmethod
    def server_of(image: Image) -> str:
        """The address of the server that an image was read from."""
        return image.server

    def _names(self, client: Client) -> list[str]:
        known = self.known(client).aliases()
        if known:
            return known
        try:
            return [alias.name for alias in client.images.aliases.all()]
        except LxdImageError:
            return []
