"""Parameter types that need a server: images, aliases, remotes, filters, columns, projects, transfers."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from lxdimg_nb import filters
from lxdimg_nb.client import Client, Image
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.filters.fields import AGE_FIELDS, BOOLEAN_FIELDS
from lxdimg_nb.magics.line.types import WordType, completion
from lxdimg_nb.magics.line.words import Word
from lxdimg_nb.magics.session.image_lookup import client_named, image_named, images_in, split_existing, split_name
from lxdimg_nb.magics.session.known_images import KnownImages
from lxdimg_nb.magics.session.session import Invocation, remote_names
from lxdimg_nb.magics.show.columns import COLUMN_LETTERS
from lxdimg_nb.text.secret import hide_address

if TYPE_CHECKING:
    from lxdimg_nb.panels.base.transfers import Transfer

_REMOTE = re.compile(r"[^/=<>!]+:")
_TERM = re.compile(r"(?P<field>[^\s=<>!,]+)(?:[!<>=]=|[=<>])")


class RemoteName(NamedTuple):
    """The name of an alias or an instance, and its remote; an empty remote is the connected server."""

    remote: str
    name: str


class Remote(str):
    """The name of a remote."""

    __slots__ = ()


def separate_remote(words: Iterable[Any]) -> tuple[str, list[Any]]:
    """Split values into the one `Remote` (empty if there is none) and the rest; two are an InvalidRequestError."""
    found = list(words)
    remotes = [value for value in found if isinstance(value, Remote)]
    if len(remotes) > 1:
        raise InvalidRequestError(f"{remotes[0]}: and {remotes[1]}: are two servers; name one")
    return str(remotes[0]) if remotes else "", [value for value in found if not isinstance(value, Remote)]


def _known(ctx: click.Context, remote: str = "") -> KnownImages | None:
    session = ctx.obj.session
    client = session.opened(remote)
    return None if client is None else session.known_images(client)


def _typed_remote(ctx: click.Context) -> str:
    """The remote that the words before the completed one name."""
    for argument in ctx.command.params:
        value = ctx.params.get(str(argument.name)) if isinstance(argument, click.Argument) else None
        first = value[0] if isinstance(value, tuple | list) and value else value
        if isinstance(first, str):
            return _typed_name(first).remote
    return ""


def _typed_name(value: str) -> RemoteName:
    word = Word.of(value)
    return RemoteName(*split_name(word.text, quoted=word.protected))


def _complete_remote(typed: str, ctx: click.Context) -> Iterator[CompletionItem]:
    return (completion(f"{name}:", "remote") for name in remote_names())


def _complete_alias(typed: str, ctx: click.Context, *, fingerprints: bool = False) -> Iterator[CompletionItem]:
    """Aliases and fingerprints; after `remote:` those of that server."""
    remote, _ = split_name(typed, quoted=True)
    prefix = f"{remote}:" if remote else ""
    if typed and ":" not in typed:
        yield from _complete_remote(typed, ctx)
    if remote:
        ctx.obj.session.warm(remote)
        own = _known(ctx)
        # In quotes, because the connected server has an alias that begins like the remote.
        yield from (completion(a, "alias", quote=True) for a in (own.aliases() if own else ()) if a.startswith(prefix))
    known = _known(ctx, remote)
    if known is None:
        return
    for alias in known.aliases():
        yield completion(f"{prefix}{alias}", "alias", quote=not prefix and ":" in alias)
    for record in known.records() if fingerprints else ():
        # Until a digit is typed, only fingerprints of images without an alias.
        if typed != prefix or not record.aliases:
            yield completion(f"{prefix}{record.fingerprint[:12]}", "fingerprint")


def _complete_alias_name(typed: str, ctx: click.Context) -> list[CompletionItem]:
    """The aliases of the connected server, where a colon has no meaning."""
    known = _known(ctx)
    return [completion(alias, "alias") for alias in (known.aliases() if known else ())]


def _complete_image(typed: str, ctx: click.Context) -> Iterator[CompletionItem]:
    return _complete_alias(typed, ctx, fingerprints=True)


def _images(word: Word, ctx: click.Context) -> list[Image]:
    invocation: Invocation = ctx.obj
    if word.value is not None:
        return images_in(invocation.session, word.value, word.variable, invocation.project)
    remote, name = _existing_name(word, ctx)
    alias = ctx.params.get("alias")
    if not remote and isinstance(alias, RemoteName):
        # An alias points at an image of its own server.
        client_named(invocation.session, alias.remote, alias.name, invocation.project)
        remote = alias.remote
    # --project and --vm are already known: options are parsed first.
    return [image_named(invocation.session, name, remote, invocation.project, vm=invocation.vm)]


def read_image(word: Word, ctx: click.Context) -> Image:
    """Get the one image that a word names from its server."""
    found = _images(word, ctx)
    if len(found) != 1:
        raise InvalidRequestError(f"${word.variable} holds {len(found)} images; this verb takes one")
    return found[0]


def _complete_filter(typed: str, ctx: click.Context) -> Iterator[CompletionItem]:
    known = _known(ctx, _typed_remote(ctx))
    term = _TERM.match(typed)
    if term is None:
        keys = [key for key in (known.keys() if known else ()) if not re.search(r"[\s=<>!]", key)]
        yield from (completion(f"{name}=", "field") for name in dict.fromkeys([*filters.FIELDS, *keys]))
        return
    # Values are separated by commas.
    before = typed[: max(term.end(), typed.rfind(",") + 1)]
    for value in _filter_values(known, term["field"]):
        # These have a meaning in a filter; in quotes they have none.
        quote = re.search(r"[,*?]", value) is not None
        yield CompletionItem(f"{before}{value}", type="value", before=before if quote else "", quote=quote)


def _filter_values(known: KnownImages | None, field: str) -> Sequence[str]:
    if field in BOOLEAN_FIELDS:
        return ("yes", "no")
    if field == "size":
        return ("100MiB", "1GiB", "10GiB")
    if field in AGE_FIELDS:
        return ("7d", "30d", "90d", "1y")
    if known is None:
        return ()
    if field in ("architecture", "type", "project"):
        return sorted({str(getattr(record, field)) for record in known.records()})
    return known.aliases() if field in ("alias", "aliases") else known.values(field.removeprefix("properties."))


def _complete_key(typed: str, ctx: click.Context) -> list[CompletionItem]:
    known = _known(ctx, _typed_remote(ctx))
    if known is None:
        return []
    name = _typed_name(ctx.params.get("image") or "").name
    of_image = (
        sorted(record.properties)
        for record in known.records()
        if name in (alias.name for alias in record.aliases) or (len(name) > 5 and record.fingerprint.startswith(name))
    )
    return [completion(key, "property") for key in next(of_image, None) or known.keys()]


def _complete_column(typed: str, ctx: click.Context) -> list[CompletionItem]:
    known = _known(ctx, _typed_remote(ctx))
    if known is None:
        return []
    before, comma, _ = typed.rpartition(",")
    names = dict.fromkeys([*COLUMN_LETTERS.values(), "auto_update", "last_used_at", *known.keys()])
    return [completion(f"{before}{comma}{name}", "column") for name in names if name != "fingerprint"]


def _complete_project(typed: str, ctx: click.Context) -> list[CompletionItem]:
    known = _known(ctx)
    return [completion(name, "project") for name in (known.projects if known else ())]


def _transfer(word: Word, ctx: click.Context) -> Transfer:
    from lxdimg_nb.panels.base.transfers import transfers

    found = transfers.get(int(word.text)) if word.text.isdigit() else None
    if found is None:
        known = ", ".join(str(transfer.number) for transfer in transfers) or "none"
        raise InvalidRequestError(f"no transfer {word.text!r} in this kernel; there are: {known}")
    return found


def _complete_transfer(typed: str, ctx: click.Context) -> list[CompletionItem]:
    loaded = sys.modules.get("lxdimg_nb.panels.base.transfers")
    return [completion(str(transfer.number), "transfer") for transfer in (loaded.transfers if loaded else ())]


def _remote_name(word: Word, ctx: click.Context) -> RemoteName:
    return _typed_name(word)


def _existing_name(word: Word, ctx: click.Context) -> RemoteName:
    invocation: Invocation = ctx.obj
    found = split_existing(invocation.session, word.text, quoted=word.protected, project=invocation.project)
    return RemoteName(*found)


def _server(word: Word, ctx: click.Context) -> Client | str:
    from lxdimg_nb.demo import DemoServer

    value = word.value
    if value is None or isinstance(value, os.PathLike):
        return hide_address(word.text.removesuffix(":"))
    if isinstance(value, DemoServer):
        return value.url
    if not isinstance(value, Client):
        raise InvalidRequestError(
            f"${word.variable} is a {type(value).__name__}; connect to a client, a demo server or an address"
        )
    return value


def _is_remote(word: Word) -> bool:
    found = word.value is None and _REMOTE.fullmatch(word.text) is not None
    return found and (not word.protected or word.text.removesuffix(":") in remote_names())


IMAGE = WordType(read_image, _complete_image)
IMAGES = WordType(_images, _complete_image)
"""The images that one word names; a variable may hold many."""
REMOTE_NAME = WordType(_remote_name)
ALIAS = WordType(_existing_name, _complete_alias)
ALIAS_NAME = WordType(complete=_complete_alias_name)
"""The name of an alias without a remote, as `--alias` takes it."""
REMOTE = WordType(
    lambda word, ctx: Remote(word.text.removesuffix(":")),
    lambda typed, ctx: [completion(name, "remote") for name in remote_names()],
)
REMOTE_COLON = WordType(REMOTE.read, _complete_remote, _is_remote)
"""`remote:` among other words."""
SERVER = WordType(_server, REMOTE.complete)
"""A remote, a URL or the path of a socket; or a client, a path or a demo server in a variable."""
FILTER = WordType(lambda word, ctx: word.typed, _complete_filter)
"""A term of a filter, with its quotes."""
KEY = WordType(complete=_complete_key)
COLUMNS = WordType(complete=_complete_column)
PROJECT = WordType(complete=_complete_project)
TRANSFER = WordType(_transfer, _complete_transfer)
