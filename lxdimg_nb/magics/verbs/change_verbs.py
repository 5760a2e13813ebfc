"""Verbs that change what a server says of an image, and its names. Each says before → after in one line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.magics.grammar import Argument, Call, Flag, Verb, nearest
from lxdimg_nb.magics.line.words import Word
from lxdimg_nb.magics.session.prompts import confirm
from lxdimg_nb.magics.session.session import remote_of, say
from lxdimg_nb.magics.show.text_formats import FORMAT, as_text
from lxdimg_nb.magics.verbs.list_verbs import IMAGE, REMOTE
from lxdimg_nb.text import formats
from lxdimg_nb.text.display import word as shown
from lxdimg_nb.values import Alias

if TYPE_CHECKING:
    from lxdimg_nb.client import Image
    from lxdimg_nb.magics.session.session import Session

__all__ = ["FIELDS", "VERBS", "YES", "apply", "changed", "moment", "name_of", "pairs", "value_of"]

YES = Flag("--yes", "without asking", short="-y")
FIELDS = ("public", "auto_update", "expires_at", "profiles")
_YES = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}
_PAIR = re.compile(r"([^\s=]+)=(.*)", re.DOTALL)


def name_of(image: Image) -> str:
    """An image in a sentence: its shortest alias and short fingerprint."""
    alias = min((a.name for a in image.aliases), key=len, default="")
    return f"{alias} ({image.fingerprint[:12]})" if alias else image.fingerprint[:12]


def apply(image: Image) -> Image:
    """Send what was changed on an image and say what became of it."""
    change = image.update()
    say(f"{name_of(image)}: {', '.join(changed(change.before, change.after)) or 'unchanged'}")
    return image


def changed(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """`public no → yes` for each field of `now`, properties key by key."""
    parts: list[str] = []
    for field, after in now.items():
        before = was.get(field)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            keys = [k for k in sorted({*before, *after}) if before.get(k) != after.get(k)]
            parts += [f"{key} {_word(before.get(key))} → {_word(after.get(key))}" for key in keys]
        else:
            parts.append(f"{field} {_word(before)} → {_word(after)}")
    return parts


def _word(value: object) -> str:
    return shown(value, limit=80) or "none"


def pairs(words: list[Word]) -> dict[str, str]:
    """`key=value` words.

    Raises:
        InvalidRequestError: a word that is none.
    """
    found: dict[str, str] = {}
    for word in words:
        match = _PAIR.fullmatch(word.text)
        if match is None:
            raise InvalidRequestError(f"{word.text!r} is no KEY=VALUE")
        found[match[1]] = match[2]
    return found


def _set(session: Session, call: Call) -> Any:
    words = call.some("FIELD=VALUE")
    names = [w for w in words if w.value is not None or not _PAIR.fullmatch(w.text)]
    wanted = pairs([w for w in words if w not in names])
    if not wanted and _PAIR.fullmatch(call.text("IMAGE")):
        raise InvalidRequestError(f"the image stands first: %lxdimg set IMAGE {call.text('IMAGE')}")
    if not wanted:
        raise InvalidRequestError(f"nothing to set; write {', '.join(f'{f}=…' for f in FIELDS)}")
    values = {_field(key): value for key, value in wanted.items()}
    changes = {field: value_of(field, value) for field, value in values.items()}
    images = session.images([call.one("IMAGE"), *names], call.project)
    for image in images:
        for field, value in changes.items():
            setattr(image, field, value)
        apply(image)
    return images[0] if len(images) == 1 else images


def _field(key: str) -> str:
    name = key.replace("-", "_").lower()
    name = {"expires": "expires_at", "expiry": "expires_at", "profile": "profiles"}.get(name, name)
    if name not in FIELDS:
        raise InvalidRequestError(
            f"{key!r} cannot be set; {nearest(key, FIELDS)}these can: {', '.join(FIELDS)}; "
            "for a property write %lxdimg set-property"
        )
    return name


def value_of(field: str, text: str) -> Any:
    """A field's value from its text."""
    if field in ("public", "auto_update"):
        if text.lower() not in _YES:
            raise InvalidRequestError(f"{field} is yes or no, not {text!r}")
        return _YES[text.lower()]
    if field == "profiles":
        return [name for name in text.split(",") if name]
    return moment(text)


def moment(text: str) -> datetime | str | None:
    """A date, `never`, or how long from now: `90d`."""
    if text.lower() in ("", "never", "none"):
        return None
    try:
        return (datetime.now(UTC) + formats.parse_duration(text)).replace(microsecond=0)
    except ValueError:
        return text  # a date, which the image reads
    except OverflowError as error:
        raise InvalidRequestError(f"{text!r} is too far away; write never") from error


def _set_property(session: Session, call: Call) -> Image:
    key, value = call.text("KEY"), call.text("VALUE")
    if not value:
        raise InvalidRequestError(f"a server keeps no empty property; write %lxdimg unset-property IMAGE {key}")
    image = session.image(call.one("IMAGE"), call.project)
    image.properties = image.record.properties | {key: value}
    return apply(image)


def _unset_property(session: Session, call: Call) -> Image:
    key, image = call.text("KEY"), session.image(call.one("IMAGE"), call.project)
    properties = image.record.properties
    if key not in properties:
        known = sorted(properties)
        raise InvalidRequestError(
            f"the image has no property {key!r}; {nearest(key, known)}it has {', '.join(known) or 'none'}"
        )
    image.properties = {k: v for k, v in properties.items() if k != key}
    return apply(image)


def _delete(session: Session, call: Call) -> None:
    images = session.images(call.some("IMAGE"), call.project)
    if not images:
        say("nothing to delete")
        return
    lines = [f"{name_of(i)}  {formats.size(i.size)}  {i.record.properties.get('description', '')}" for i in images]
    total = formats.size(sum(image.size for image in images))
    places = sorted({f"project {image.project} on {session.server_of(image)}" for image in images})
    whose = "its" if len(images) == 1 else "their"
    question = (
        f"Delete {formats.plural(len(images), 'image')}, {total}, with {whose} aliases, from {', '.join(places)}?"
    )
    confirm(question, lines, yes=call.has("--yes"))
    for image in images:
        image.delete()
        say(f"deleted {name_of(image)}, {formats.size(image.size)}")


def _alias_list(session: Session, call: Call) -> Any:
    from lxdimg_nb.magics.show.listing import listing

    texts = list(call.some("REMOTE:|TEXT"))
    remote = texts.pop(0).text[:-1] if texts and REMOTE.fullmatch(texts[0].text) else ""
    client = session.at(remote, call.project)
    aliases = [
        a
        for a in client.images.aliases.all()
        if all(w.text.lower() in f"{a.name} {a.target} {a.description}".lower() for w in texts)
    ]
    columns = {
        "target": [a.target for a in aliases],
        "type": [a.type for a in aliases],
        "description": [a.description for a in aliases],
    }
    made = listing("alias", [a.name for a in aliases], columns)
    form = call.option("--format") or "table"
    if form == "table":
        return made
    rows = made.reset_index().rename(columns={"target": "fingerprint"})
    documents = [{"name": a.name, "description": a.description, "target": a.target, "type": a.type} for a in aliases]
    return as_text(form, documents, made, rows, ["alias", "f", "type", "description"])


def _beside(session: Session, call: Call) -> Image:
    """The image of an alias' verb: of the server that the alias is on, where it names none itself."""
    word = call.one("IMAGE")
    remote, _ = remote_of(call.text("ALIAS"))
    if remote and word.value is None and not remote_of(word.text)[0]:
        word = replace(word, text=f"{remote}:{word.text}")
    return session.image(word, call.project)


def _alias_create(session: Session, call: Call) -> Alias:
    client, name = session.named(call.text("ALIAS"), call.project)
    image = _beside(session, call)
    made = client.images.aliases.create(name, image, description=call.option("--description") or "")
    say(f"{made.name}: none → {made.target[:12]}")
    return made


def _alias_rename(session: Session, call: Call) -> Alias:
    client, name = session.named(call.text("ALIAS"), call.project)
    made = client.images.aliases.rename(name, _new_name(call))
    say(f"{name} → {made.name}, still {made.target[:12]}")
    return made


def _new_name(call: Call) -> str:
    """The name behind the alias' own remote; that of another would become a part of the name."""
    from lxdimg_nb.client.config.remotes import named

    remote, name = remote_of(call.text("NEW"))
    if remote and remote == remote_of(call.text("ALIAS"))[0]:
        return name
    if remote in named():
        raise InvalidRequestError(
            f"an alias is renamed where it is; %lxdimg copy IMAGE {remote}: --alias {name} copies"
        )
    return call.text("NEW")


def _alias_delete(session: Session, call: Call) -> None:
    client, name = session.named(call.text("ALIAS"), call.project)
    old = client.images.aliases.get(name)
    client.images.aliases.delete(name)
    say(f"{name}: {old.target[:12]} → none; the image stays")


def _alias_point(session: Session, call: Call) -> Alias:
    client, name = session.named(call.text("ALIAS"), call.project)
    image = _beside(session, call)
    change = client.images.aliases.point(name, to=image)
    before = change.before.get("target") or "none"
    say(f"{name}: {before[:12]} → {image.fingerprint[:12]}" if change else f"{name}: unchanged")
    return client.images.aliases.get(name)


_ALIAS = Argument("ALIAS", "alias")

VERBS = (
    Verb(
        "set",
        "public, auto_update, expires_at, profiles of images",
        _set,
        (IMAGE, Argument("FIELD=VALUE", "field", many=True)),
        more="expires_at takes a date, 90d or never; profiles takes names with commas. Several images may be named.",
    ),
    Verb("set-property", "set one property", _set_property, (IMAGE, Argument("KEY", "key"), Argument("VALUE", "text"))),
    Verb("unset-property", "remove one property", _unset_property, (IMAGE, Argument("KEY", "key"))),
    Verb(
        "delete",
        "delete images with their aliases, after asking",
        _delete,
        (Argument("IMAGE", "image", many=True),),
        (YES,),
        more="A frame in a variable names many: %lxdimg delete $old",
    ),
    Verb(
        "alias list",
        "the aliases as a frame",
        _alias_list,
        (Argument("REMOTE:|TEXT", "text", optional=True, many=True),),
        (FORMAT,),
    ),
    Verb(
        "alias create",
        "a new name for an image",
        _alias_create,
        (_ALIAS, IMAGE),
        (Flag("--description", "what it is for", "TEXT"),),
    ),
    Verb("alias rename", "another name for an alias", _alias_rename, (_ALIAS, Argument("NEW", "text"))),
    Verb("alias delete", "remove a name; the image stays", _alias_delete, (_ALIAS,)),
    Verb("alias point", "let a name point at another image, safely", _alias_point, (_ALIAS, IMAGE)),
)
