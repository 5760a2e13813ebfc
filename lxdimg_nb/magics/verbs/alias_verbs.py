"""The verbs of `%lxdimg alias`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lxdimg_nb.client import Image
from lxdimg_nb.client.aliases import Aliases
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.magics.line.command import VerbGroup, argument, option, verb
from lxdimg_nb.magics.line.options import FORMAT
from lxdimg_nb.magics.line.server_types import ALIAS, IMAGE, REMOTE_COLON, REMOTE_NAME, RemoteName, separate_remote
from lxdimg_nb.magics.line.types import TEXT, first_matching
from lxdimg_nb.magics.line.words import quoted
from lxdimg_nb.magics.session.image_lookup import client_named
from lxdimg_nb.magics.session.messages import echo
from lxdimg_nb.magics.session.session import Invocation, remote_names
from lxdimg_nb.magics.show.text_formats import as_text
from lxdimg_nb.values import Alias

_ALIAS_ARGUMENT = argument("alias", "ALIAS", ALIAS)
_IMAGE_ARGUMENT = argument("image", "IMAGE", IMAGE)


@verb("list")
@argument("words", "REMOTE:|TEXT", first_matching(REMOTE_COLON, TEXT), required=False, many=True)
@FORMAT
def list_aliases(invocation: Invocation, words: Sequence[str], form: str | None) -> Any:
    """Aliases as a frame."""
    from lxdimg_nb.magics.show.frames import listing

    remote, texts = separate_remote(words)
    found = [
        alias
        for alias in invocation.client(remote).images.aliases.all()
        if all(text.lower() in f"{alias.name} {alias.target} {alias.description}".lower() for text in texts)
    ]
    columns = {name: [getattr(alias, name) for alias in found] for name in ("target", "type", "description")}
    frame = listing("alias", [alias.name for alias in found], columns)
    if form in (None, "table"):
        return frame
    rows = frame.reset_index().rename(columns={"target": "fingerprint"})
    documents = [{name: getattr(a, name) for name in ("name", "description", "target", "type")} for a in found]
    return as_text(form, documents, frame, rows, ["alias", "f", "type", "description"])


def _aliases(invocation: Invocation, alias: RemoteName) -> Aliases:
    """The aliases of the server that a name belongs to."""
    return client_named(invocation.session, alias.remote, alias.name, invocation.project).images.aliases


@verb("create")
@_ALIAS_ARGUMENT
@_IMAGE_ARGUMENT
@option("--description", metavar="TEXT", help="what it is for")
def create(invocation: Invocation, alias: RemoteName, image: Image, description: str | None) -> Alias:
    """Create an alias for an image."""
    made = _aliases(invocation, alias).create(alias.name, image, description=description or "")
    echo(f"{made.name}: none → {made.target[:12]}")
    return made


@verb("rename")
@_ALIAS_ARGUMENT
@argument("new", "NEW", REMOTE_NAME)
def rename(invocation: Invocation, alias: RemoteName, new: RemoteName) -> Alias:
    """Rename an alias."""
    name = new.name
    if new.remote and new.remote != alias.remote:
        if new.remote in remote_names():
            raise InvalidRequestError(
                "an alias cannot move to another server; "
                f"%lxdimg copy IMAGE {new.remote}: --alias {quoted(name)} copies"
            )
        name = f"{new.remote}:{new.name}"
    made = _aliases(invocation, alias).rename(alias.name, name)
    echo(f"{alias.name} → {made.name}, still {made.target[:12]}")
    return made


@verb("delete")
@_ALIAS_ARGUMENT
def delete(invocation: Invocation, alias: RemoteName) -> None:
    """Delete an alias; the image stays."""
    aliases = _aliases(invocation, alias)
    old = aliases.get(alias.name)
    aliases.delete(alias.name)
    echo(f"{alias.name}: {old.target[:12]} → none; the image stays")


@verb("point")
@_ALIAS_ARGUMENT
@_IMAGE_ARGUMENT
def point(invocation: Invocation, alias: RemoteName, image: Image) -> Alias:
    """Point an alias at another image, safely."""
    aliases = _aliases(invocation, alias)
    change = aliases.point(alias.name, to=image)
    before = change.before.get("target") or "none"
    changed = f"{before[:12]} → {image.fingerprint[:12]}" if change else "unchanged"
    echo(f"{alias.name}: {changed}")
    return aliases.get(alias.name)


ALIAS_GROUP = VerbGroup("alias", (list_aliases, create, rename, delete, point))
