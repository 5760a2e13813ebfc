"""Find the images that a name or the value of a variable stands for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lxdimg_nb.client import Client, Image
from lxdimg_nb.client.simplestreams.catalogue_client import CatalogueImages
from lxdimg_nb.errors import InvalidRequestError, LxdImageError, NotFoundError
from lxdimg_nb.magics.session.messages import did_you_mean
from lxdimg_nb.magics.session.session import Session, remote_names, split_remote
from lxdimg_nb.values import FINGERPRINT


def split_name(text: str, *, quoted: bool = False) -> tuple[str, str]:
    """Split `remote:name`. In quotes, the part before a colon is a remote only if there is one of that name."""
    remote, name = split_remote(text)
    if not remote:
        return "", text
    known = remote_names()
    home, _, rest = text.partition(":")
    if home in known and remote not in known and remote.removeprefix(f"{home}:") not in known:
        # A remote that is called lxd or incus, and a name with a colon.
        return home, rest
    return ("", text) if quoted and remote not in known else (remote, name)


def split_existing(session: Session, text: str, *, quoted: bool, project: str | None) -> tuple[str, str]:
    """As `split_name`, but in quotes an alias of the connected server that is the whole text wins over a remote."""
    remote, name = split_name(text, quoted=quoted)
    client = session.opened("", project) if remote and quoted else None
    if client is None:
        return remote, name
    try:
        return ("", text) if client.images.exists(text, alias=True) else (remote, name)
    except LxdImageError:
        return remote, name


def client_named(session: Session, remote: str, name: str, project: str | None) -> Client:
    """The client for the remote in `remote:name`; without such a remote the error tells how an alias is written."""
    try:
        return session.client_for(remote, project)
    except InvalidRequestError as error:
        if remote and name:
            error.add_note(f"(Put an alias with a colon in quotes: '{remote}:{name}'.)")
        raise


def image_named(
    session: Session, name: str, remote: str = "", project: str | None = None, *, vm: bool = False
) -> Image:
    """Get an image by alias or fingerprint; with `vm` the virtual machine, if a catalogue has a container, too."""
    if not name:
        empty = f"{remote + ':'!r} names a server, not an image; write {remote}:ALIAS"
        raise InvalidRequestError(empty if remote else "an empty name is not an image")
    client = client_named(session, remote, name, project)
    try:
        if vm and isinstance(client.images, CatalogueImages):
            return client.images.get(name, type="virtual-machine")
        image = client.images.get(name)
    except NotFoundError as error:
        hint = did_you_mean(name, _aliases(session, client))
        what = error.message.removesuffix("; list them with images.all()")
        raise NotFoundError(f"{what}; {hint}%lxdimg list shows them", status_code=404) from error
    if vm and image.type != "virtual-machine":
        raise InvalidRequestError(f"{name!r} is a {image.type}, not a virtual machine; leave out --vm")
    return image


def images_in(session: Session, value: Any, variable: str, project: str | None = None) -> list[Image]:
    """Get the images that a variable holds: an image, a row, a list of names or images, or a frame."""
    if isinstance(value, Image):
        return [_current(value)]
    if hasattr(value, "index") and hasattr(value, "columns"):
        return _of_frame(session, value, variable, project)
    key = getattr(value, "name", "")
    if hasattr(value, "index") and FINGERPRINT.match(str(key[-1] if isinstance(key, tuple) and key else key)):
        # A row of a frame: df.loc[fingerprint], df.iloc[0].
        levels = key if isinstance(key, tuple) else (value.get("project"), key)
        if len(levels) > 2:
            raise InvalidRequestError(f"${variable} is a row of several servers; name an image of one server")
        return [image_named(session, str(levels[-1]), project=project or levels[0])]
    if isinstance(value, Iterable) and not isinstance(value, bytes | Mapping):
        items = list(value)
        if all(isinstance(item, str | Image) for item in items):
            return [_current(item) if isinstance(item, Image) else _of_text(session, item, project) for item in items]
    raise InvalidRequestError(
        f"${variable} is a {type(value).__name__}; name images by an Image, a string, a list or a frame"
    )


def _current(image: Image) -> Image:
    """The image as it is on the server; unsent changes to the user's object are neither sent nor lost."""
    if not image.changes:
        return image.reload()
    return Image(image.server_project.read(image.fingerprint), image.server_project)


def _of_text(session: Session, text: str, project: str | None) -> Image:
    remote, name = split_existing(session, text, quoted=True, project=project)
    return image_named(session, name, remote, project)


def _of_frame(session: Session, frame: Any, variable: str, project: str | None) -> list[Image]:
    levels = list(frame.index.names)
    if levels[-1] != "fingerprint" or "server" in levels:
        raise InvalidRequestError(f"${variable} is not a frame of one server's images")
    keys = [key if isinstance(key, tuple) else (key,) for key in frame.index]
    own = frame.attrs.get("project") if "project" not in levels else None
    return [
        image_named(session, str(key[-1]), project=project or (str(key[0]) if len(key) > 1 else own)) for key in keys
    ]


def _aliases(session: Session, client: Client) -> list[str]:
    known = session.known_images(client).aliases()
    if known:
        return known
    try:
        return [alias.name for alias in client.images.aliases.all()]
    except LxdImageError:
        return []
