"""Verbs that change or delete images; each prints before → after on one line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from itertools import chain
from typing import Any

import click

from lxdimg_nb.client import Image
from lxdimg_nb.errors import ChangedMeanwhileError, InvalidRequestError
from lxdimg_nb.magics.line.command import argument, option, verb
from lxdimg_nb.magics.line.options import IMAGE_ARGUMENT, IMAGES_ARGUMENT, YES
from lxdimg_nb.magics.line.server_types import IMAGE, IMAGES, KEY, read_image
from lxdimg_nb.magics.line.types import FIELDS, SETTING, TEXT, Pair, WordType, field_value, first_matching
from lxdimg_nb.magics.line.words import Word, quoted
from lxdimg_nb.magics.line.yaml_body import load, mapping, names, text
from lxdimg_nb.magics.session.messages import echo, suggest
from lxdimg_nb.magics.session.prompts import confirm
from lxdimg_nb.magics.session.session import Invocation
from lxdimg_nb.magics.show.image_text import image_name, image_yaml
from lxdimg_nb.magics.verbs.asking import public_warnings
from lxdimg_nb.magics.verbs.inspect_verbs import missing_property
from lxdimg_nb.text import formats
from lxdimg_nb.values import WRITABLE, Change, writable_fields


def _first_images(word: Word, ctx: click.Context) -> Any:
    """The images of the first word, unless a setting was typed first by mistake."""
    if not word.protected and word.text.partition("=")[0] in FIELDS and "=" in word.text:
        raise InvalidRequestError(f"the image comes first: %lxdimg set IMAGE {word.text}")
    return IMAGES.read(word, ctx)


def _typed_and_image(word: Word, ctx: click.Context) -> tuple[str, Image]:
    """An image, and the name that the user typed for it."""
    typed = f"${word.variable}" if word.variable else quoted(word.text, always=word.protected)
    return typed, read_image(word, ctx)


def _update(image: Image) -> Image:
    """Send the changes of an image and print them."""
    change = image.update()
    echo(f"{image_name(image)}: {', '.join(change.lines()) or 'unchanged'}")
    return image


@verb("set")
@argument("first", "IMAGE", WordType(_first_images, IMAGES.complete))
@argument("words", "FIELD=VALUE", first_matching(SETTING, IMAGES), many=True)
@YES
def set_fields(invocation: Invocation, first: list[Image], words: Sequence[Any], yes: bool) -> Any:
    """Set public, auto_update, expires_at or profiles of images.

    expires_at takes a date, 90d or never; profiles takes names separated by commas. Several images may be named. It
    asks before an image is made public and before several are changed.
    """
    settings = [word for word in words if isinstance(word, Pair)]
    if not settings:
        raise InvalidRequestError(f"nothing to set; write {', '.join(f'{field}=…' for field in FIELDS)}")
    others = chain.from_iterable(word for word in words if not isinstance(word, Pair))
    images = list(dict.fromkeys([*first, *others]))
    # Tried on copies, so that after a no nothing is left to send in the user's own objects.
    _confirm_changes([_with_settings(Image(image.record, image.server_project), settings) for image in images], yes)
    for image in images:
        _update(_with_settings(image, settings))
    return images[0] if len(images) == 1 else images


def _with_settings(image: Image, settings: Sequence[Pair]) -> Image:
    for field, value in settings:
        setattr(image, field, value)
    return image


def _confirm_changes(copies: list[Image], yes: bool) -> None:
    """Ask before images are made public, saying who will see them, and before more than one is changed."""
    images = [image for image in copies if image.changes]
    shown = [image for image in images if image.changes.get("public")]
    if not shown and len(images) < 2:
        return
    lines = [f"{image_name(image)}: {', '.join(_change_lines(image))}" for image in images]
    lines += public_warnings(shown)
    what = f"Make {formats.plural(len(shown), 'image')} public" if shown else f"Change {len(images)} images"
    confirm(f"{what}?" if len(shown) in (0, len(images)) else f"{what}, and change {len(images)}?", lines, yes=yes)


def _change_lines(image: Image) -> list[str]:
    """What sending an image would change, before → after."""
    return Change(image.fingerprint, writable_fields(image.record), image.changes).lines()


@verb("set-property")
@IMAGE_ARGUMENT
@argument("key", "KEY", KEY)
@argument("value", "VALUE", TEXT)
def set_property(invocation: Invocation, image: Image, key: str, value: str) -> Image:
    """Set one property."""
    if not value:
        raise InvalidRequestError(f"servers do not keep empty properties; write %lxdimg unset-property IMAGE {key}")
    image.properties = image.record.properties | {key: value}
    return _update(image)


@verb("unset-property")
@IMAGE_ARGUMENT
@argument("key", "KEY", KEY)
def unset_property(invocation: Invocation, image: Image, key: str) -> Image:
    """Remove one property."""
    properties = image.record.properties
    if key not in properties:
        raise missing_property(image, key)
    image.properties = {name: value for name, value in properties.items() if name != key}
    return _update(image)


@verb("edit", takes_body=True)
@argument("named_image", "IMAGE", WordType(_typed_and_image, IMAGE.complete))
@option("--base", metavar="MARK", help="only if the image has not changed since the cell was made")
@YES
def edit(invocation: Invocation, named_image: tuple[str, Image], base: str | None, yes: bool) -> Image | None:
    """Edit an image as YAML, in a cell of its own.

    %lxdimg edit IMAGE makes the cell; running it writes the YAML. Fields that are left out keep their value, except
    that properties are replaced as a whole; it asks before one is removed and before the image is made public.
    """
    typed, image = named_image
    if invocation.body is None:
        where = f" --project {quoted(invocation.project)}" if invocation.project else ""
        line = f"%%lxdimg edit {typed}{where} --base {_mark(image)}"
        invocation.session.shell.set_next_input(f"{line}\n{image_yaml(image)}")
        return None
    if base is not None and base != _mark(image):
        raise ChangedMeanwhileError(
            f"{image_name(image)} was changed since this cell was made, or the name points at another image; "
            f"nothing was written. %lxdimg edit {typed} makes a cell with the current values",
            theirs=writable_fields(image.record),
            ours={},
        )
    fields = _fields(invocation.body)
    for name, value in fields.items():
        setattr(image, name, value)
    lines = _change_lines(image)
    if not lines:
        echo(f"{image_name(image)}: unchanged")
        return image
    removed = sorted(image.record.properties.keys() - fields["properties"].keys()) if "properties" in fields else []
    public = [image] if image.changes.get("public") else []
    if (removed or public) and not yes:
        what = [f"removing {', '.join(removed)}"] if removed else []
        what += ["making it public"] if public else []
        confirm(f"Change {image_name(image)}, {' and '.join(what)}?", [*lines, *public_warnings(public)], yes=False)
    else:
        for line in lines:
            echo(f"  {line}")
    image.update()
    echo(f"{image_name(image)}: written")
    return image


def _mark(image: Image) -> str:
    """12 hexadecimal digits that change with the image and any of its writable fields."""
    state = json.dumps([image.fingerprint, writable_fields(image.record)], sort_keys=True, default=str)
    return hashlib.sha256(state.encode(errors="replace")).hexdigest()[:12]


def _fields(body: str) -> dict[str, Any]:
    """The fields in the YAML of a cell; InvalidRequestError if one cannot be written."""
    found = load(body)
    if not found:
        raise InvalidRequestError("the cell is empty; %lxdimg edit IMAGE, with one percent sign, makes one to edit")
    for name in found:
        if name not in WRITABLE:
            raise InvalidRequestError(f"{name!r} cannot be written; {suggest(name, WRITABLE, 'these can')}")
    return {name: _field(name, value) for name, value in found.items()}


def _field(name: str, value: Any) -> Any:
    if name == "properties":
        found = {key: text(one, f"properties.{key}") for key, one in mapping(value, name).items()}
        return {key: one for key, one in found.items() if one}
    return names(value, name) if name == "profiles" else field_value(name, text(value, name))


@verb("delete")
@IMAGES_ARGUMENT
@YES
def delete(invocation: Invocation, images: list[Image], yes: bool) -> None:
    """Delete images with their aliases, after asking.

    A frame in a variable names many images: %lxdimg delete $old
    """
    if not images:
        echo("nothing to delete")
        return
    lines = [f"{image_name(i)}  {formats.size(i.size)}  {i.record.properties.get('description', '')}" for i in images]
    total = formats.size(sum(image.size for image in images))
    places = sorted({f"project {image.project} on {image.server}" for image in images})
    whose = "its" if len(images) == 1 else "their"
    count = formats.plural(len(images), "image")
    confirm(f"Delete {count}, {total}, with {whose} aliases, from {', '.join(places)}?", lines, yes=yes)
    for image in images:
        image.delete()
        echo(f"deleted {image_name(image)}, {formats.size(image.size)}")


VERBS = (set_fields, set_property, unset_property, edit, delete)
