"""`edit`: what can be written of an image, in a cell of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lxdimg_nb.errors import ChangedMeanwhileError, InvalidRequestError
from lxdimg_nb.magics.grammar import Call, Flag, Verb, nearest
from lxdimg_nb.magics.line.words import quoted
from lxdimg_nb.magics.line.yaml_body import load, mapping, names, text
from lxdimg_nb.magics.session.prompts import confirm
from lxdimg_nb.magics.session.session import say
from lxdimg_nb.magics.verbs.change_verbs import YES, changed, name_of, value_of
from lxdimg_nb.magics.verbs.list_verbs import IMAGE, document
from lxdimg_nb.values import writable

if TYPE_CHECKING:
    from lxdimg_nb.client import Image
    from lxdimg_nb.magics.session.session import Session

__all__ = ["VERBS"]

FIELDS = ("public", "auto_update", "properties", "expires_at", "profiles")


def _edit(session: Session, call: Call) -> Image | None:
    word = call.one("IMAGE")
    image = session.image(word, call.project)
    if call.body is None:
        name = f"${word.variable}" if word.variable else quoted(word.text)
        where = f" --project {quoted(call.project)}" if call.project else ""
        session.shell.set_next_input(f"%%lxdimg edit {name}{where} --base {_state(image)}\n{document(image)}")
        return None
    base = call.option("--base")
    if base is not None and base != _state(image):
        raise ChangedMeanwhileError(
            f"{name_of(image)} was changed since this cell was made, or the name points at another image; "
            f"nothing was written. %lxdimg edit {word.text} makes a cell with what is there",
            theirs=writable(image.record),
            ours={},
        )
    fields = _fields(call.body)
    removed = _assign(image, fields)
    lines = changed(writable(image.record), image.changes)
    if not lines:
        say(f"{name_of(image)}: unchanged")
        return image
    if removed and not call.has("--yes"):
        confirm(f"Change {name_of(image)}, removing {', '.join(removed)}?", lines, yes=False)
    else:
        for line in lines:
            say(f"  {line}")
    image.update()
    say(f"{name_of(image)}: written")
    return image


def _state(image: Image) -> str:
    """A mark of what an image is and says: 12 digits that change with any of it."""
    said = json.dumps([image.fingerprint, writable(image.record)], sort_keys=True, default=str)
    return hashlib.sha256(said.encode(errors="replace")).hexdigest()[:12]


def _assign(image: Image, fields: Mapping[str, Any]) -> list[str]:
    """Set the fields on the image; returns the keys of properties that would go."""
    before = image.record.properties
    for name, value in fields.items():
        setattr(image, name, value)
    return sorted(before.keys() - fields["properties"].keys()) if "properties" in fields else []


def _fields(body: str) -> dict[str, Any]:
    """The fields in a document of YAML.

    Raises:
        InvalidRequestError: no YAML, an unknown field, a value that does not fit its field.
    """
    document_ = load(body)
    if not document_:
        raise InvalidRequestError("the cell is empty; %lxdimg edit IMAGE, with one percent sign, makes one to edit")
    for name in document_:
        if name not in FIELDS:
            raise InvalidRequestError(
                f"{name!r} cannot be written; {nearest(name, FIELDS)}these can: {', '.join(FIELDS)}"
            )
    return {name: _value(name, value) for name, value in document_.items()}


def _value(name: str, value: Any) -> Any:
    if name == "properties":
        found = {key: text(one, f"properties.{key}") for key, one in mapping(value, name).items()}
        return {key: one for key, one in found.items() if one}
    return names(value, name) if name == "profiles" else value_of(name, text(value, name))


VERBS = (
    Verb(
        "edit",
        "edit an image as YAML, in a cell of its own",
        _edit,
        (IMAGE,),
        (Flag("--base", "only if the image still is as when the cell was made", "MARK"), YES),
        body=True,
        more="%lxdimg edit IMAGE makes the cell; %%lxdimg edit IMAGE with YAML below writes it. Fields left out stay; "
        "properties are the whole list, and it asks before one goes.",
    ),
)
