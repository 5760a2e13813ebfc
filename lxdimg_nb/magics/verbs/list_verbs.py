"""Verbs that look: they return frames, images and texts, and print nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from lxdimg_nb import filters
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.magics.grammar import Argument, Call, Flag, Verb, nearest
from lxdimg_nb.magics.show.text_formats import FORMAT, as_text
from lxdimg_nb.values import format_time, writable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxdimg_nb.client import Client, Image
    from lxdimg_nb.magics.line.words import Word
    from lxdimg_nb.magics.session.session import Session
    from lxdimg_nb.values import ImageRecord

__all__ = ["IMAGE", "LETTERS", "REMOTE", "VERBS", "VM", "document"]

IMAGE = Argument("IMAGE", "image")
VM = Flag("--vm", "the virtual machine of that name, where a catalogue has both kinds")
COLUMNS = Flag(
    "--columns", "only these columns: letters as lxc has them, or names with commas", "COLUMNS", "columns", short="-c"
)

# The columns of `lxc image list -c`, by their letters; the fingerprint is the index.
LETTERS = {
    "l": "alias",
    "L": "aliases",
    "f": "fingerprint",
    "F": "fingerprint",
    "p": "public",
    "d": "description",
    "a": "architecture",
    "s": "size",
    "u": "uploaded_at",
    "t": "type",
    "e": "project",
}
REMOTE = re.compile(r"[^/=<>!]+:")


def _list(session: Session, call: Call) -> Any:
    words = list(call.some("REMOTE:|FILTER"))
    remote = words.pop(0).text[:-1] if words and REMOTE.fullmatch(words[0].text) else ""
    return _frame(session, call, remote, words)


def _catalogue(session: Session, call: Call) -> Any:
    from lxdimg_nb.client.simplestreams.server import CatalogueClient

    remote = call.text("REMOTE").removesuffix(":")
    client = session.at(remote)
    if not isinstance(client, CatalogueClient):
        raise InvalidRequestError(f"{remote!r} is a server and no catalogue; write %lxdimg list {remote}:")
    if call.has("--again"):
        client.reload()
    return _frame(session, call, remote, call.some("FILTER"))


def _frame(session: Session, call: Call, remote: str, words: Sequence[Word]) -> Any:
    from lxdimg_nb.inventory import make_frame

    typed = " ".join(word.typed for word in words)
    filters.parse(typed)  # what makes no sense is said before a server is asked
    client = session.at(remote, call.project)
    everywhere = call.has("--all-projects")
    records = client.images.records(all_projects=everywhere)
    if not everywhere:
        session.known(client).learn(records)
    wanted = filters.parse(typed, known_properties={key for record in records for key in record.properties})
    kept: Sequence[ImageRecord] = [r for r in records if wanted.matches(r)] if wanted else records
    made = make_frame(
        kept,
        server=client.url,
        project=client.images.project,
        all_projects=everywhere,
        product=client.info.product,
        identity=client.info.certificate_fingerprint,
        filter=str(wanted),
        used_by=_users(client) if call.has("--used-by") else None,
    )
    columns, form = call.option("--columns"), call.option("--format") or "table"
    names = _columns(columns or ("e" if everywhere else "") + "lfpdatsu", list(made.columns), everywhere)
    if call.has("--used-by"):
        names.append("used_by")
    shown = made if columns is None else made[[n for n in dict.fromkeys(map(_plainly, names)) if n in made.columns]]
    if form == "table":
        return shown
    return as_text(form, [record.raw for record in kept], shown, made.reset_index(), names)


def _users(client: Client) -> dict[str, list[str]]:
    from lxdimg_nb.client.verbs.used_by import users_of_images

    return users_of_images(client.transport)


def _columns(text: str, present: list[str], everywhere: bool) -> list[str]:
    """Letters as `lxc` has them (`lfpdatsu`), or names with commas; a property also by its key alone.

    Returns:
        The names of columns and of levels of the index; `f` is a short fingerprint.
    """
    index = ["fingerprint", "project"] if everywhere else ["fingerprint"]
    found: list[str] = []
    for name in filter(None, (part.strip() for part in text.split(","))):
        column = f"properties.{name.removeprefix('properties:')}"
        if name in (*present, *index):
            found.append(name)
        elif set(name) <= LETTERS.keys():
            found += ["f" if letter == "f" else LETTERS[letter] for letter in name]
        elif column in present:
            found.append(column)
        else:
            known = [c.removeprefix("properties.") for c in present]
            raise InvalidRequestError(
                f"no column {name!r}; {nearest(name, known)}known: {', '.join(known)}, or the letters "
                f"{''.join(LETTERS)}"
            )
    if not found:
        raise InvalidRequestError(f"no column is named; write -c {''.join(LETTERS)[:4]}, or names with commas")
    return found


def _plainly(name: str) -> str:
    return LETTERS.get(name, name)


def _info(session: Session, call: Call) -> Image:
    from lxdimg_nb.magics.show.results import ShownImage

    return ShownImage.of(session.image(call.one("IMAGE"), call.project, vm=call.has("--vm")))


def _show(session: Session, call: Call) -> str:
    from lxdimg_nb.magics.show.results import Text

    return Text(document(session.image(call.one("IMAGE"), call.project, vm=call.has("--vm"))))


def document(image: Image) -> str:
    """The five writable fields as YAML, for `show` and `edit`."""
    fields = writable(image.record)
    fields["expires_at"] = format_time(fields["expires_at"]) if fields["expires_at"] else None
    fields["properties"] = dict(sorted(fields["properties"].items()))
    return str(yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=1000))


def _get_property(session: Session, call: Call) -> str:
    from lxdimg_nb.magics.show.results import Text

    image, key = session.image(call.one("IMAGE"), call.project), call.text("KEY")
    properties = image.record.properties
    if key not in properties:
        known = sorted(properties)
        raise InvalidRequestError(
            f"the image has no property {key!r}; {nearest(key, known)}it has {', '.join(known) or 'none'}"
        )
    return Text(properties[key])


def _used_by(session: Session, call: Call) -> list[str]:
    return session.image(call.one("IMAGE"), call.project).used_by()


VERBS = (
    Verb(
        "list",
        "the images as a frame, filtered: os=ubuntu size>1GiB age>90d",
        _list,
        (Argument("REMOTE:|FILTER", "filter", optional=True, many=True),),
        (
            COLUMNS,
            FORMAT,
            Flag("--all-projects", "of every project"),
            Flag("--used-by", "with the instances made from each image"),
        ),
        more="A first word REMOTE: lists another server.",
    ),
    Verb(
        "catalogue",
        "the images that a simplestreams remote offers, as a frame",
        _catalogue,
        (Argument("REMOTE", "remote"), Argument("FILTER", "filter", optional=True, many=True)),
        (COLUMNS, FORMAT, Flag("--again", "ask for it again, however young it is")),
    ),
    Verb("info", "one image with every attribute", _info, (IMAGE,), (VM,)),
    Verb("show", "what can be written of an image, as YAML", _show, (IMAGE,), (VM,)),
    Verb("get-property", "one property's text", _get_property, (IMAGE, Argument("KEY", "key"))),
    Verb("used-by", "instances and snapshots made from the image", _used_by, (IMAGE,)),
)
