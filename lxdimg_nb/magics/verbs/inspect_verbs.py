"""Verbs that look at one image, at files before an import, and at differences."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lxdimg_nb.client import Image
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.magics.line.command import argument, verb
from lxdimg_nb.magics.line.options import IMAGE_ARGUMENT, MAKE_METADATA, VM
from lxdimg_nb.magics.line.server_types import IMAGE, KEY
from lxdimg_nb.magics.line.types import FILE, FRAME_OR_FOLDER, PAIR, Pair, first_matching, is_frame
from lxdimg_nb.magics.line.words import Word
from lxdimg_nb.magics.session.messages import suggest
from lxdimg_nb.magics.session.session import Invocation
from lxdimg_nb.magics.show.image_text import image_yaml
from lxdimg_nb.magics.show.results import Check, ShownImage, Text
from lxdimg_nb.magics.verbs.long_running import metadata_of, packed_folder
from lxdimg_nb.values.validation import expanded_path

if TYPE_CHECKING:
    from lxdimg_nb.magics.show.frames import Listing


@verb("info")
@IMAGE_ARGUMENT
@VM
def info(invocation: Invocation, image: Image) -> Image:
    """One image with every attribute."""
    return ShownImage.of(image)


@verb("show")
@IMAGE_ARGUMENT
@VM
def show(invocation: Invocation, image: Image) -> str:
    """The writable fields of an image, as YAML."""
    return Text(image_yaml(image))


@verb("get-property")
@IMAGE_ARGUMENT
@argument("key", "KEY", KEY)
def get_property(invocation: Invocation, image: Image, key: str) -> str:
    """The value of one property."""
    if key not in image.record.properties:
        raise missing_property(image, key)
    return Text(image.record.properties[key])


def missing_property(image: Image, key: str) -> InvalidRequestError:
    """The error for a property that an image does not have."""
    return InvalidRequestError(f"the image has no property {key!r}; {suggest(key, sorted(image.record.properties))}")


@verb("used-by")
@IMAGE_ARGUMENT
def used_by(invocation: Invocation, image: Image) -> list[str]:
    """The instances and snapshots made from an image."""
    return image.used_by()


@verb("check")
@argument("file", "FILE", FILE)
@argument("words", "ROOTFS|KEY=VALUE", first_matching(PAIR, FILE), required=False, many=True)
@MAKE_METADATA
def check(invocation: Invocation, file: Any, words: Sequence[Any], make_metadata: bool) -> Check:
    """Inspect a file before an import: kind, problems, already there?

    Nothing is sent. For a split image, name the metadata and the root file system. With --make-metadata and KEY=VALUE,
    as `import` would do it.
    """
    images = invocation.client().images
    values = dict(word for word in words if isinstance(word, Pair))
    files = [word for word in words if not isinstance(word, Pair)]
    if len(files) > (0 if make_metadata else 1) or (values and not make_metadata):
        raise InvalidRequestError("check takes a file, or metadata and root file system, or --make-metadata KEY=VALUE")
    if make_metadata:
        return Check.of(images.check(file, metadata=metadata_of(file, values, True), progress=True))
    if files:
        return Check.of(images.check(files[0], metadata=file, progress=True))
    with packed_folder(file, True) as data:
        return Check.of(images.check(data, progress=True))


@verb("contents")
@IMAGE_ARGUMENT
@argument("other", "OTHER", IMAGE, required=False)
def contents(invocation: Invocation, image: Image, other: Image | None) -> Listing:
    """The files in an image as a frame, or the differences between two.

    Nothing is stored or extracted; metadata.yaml is in .attrs['metadata'].
    """
    from lxdimg_nb.magics.show.frames import Listing

    found = image.contents()
    if other is not None:
        return Listing(found.compare(other.contents()))
    files = Listing(found.files)
    files.attrs |= {"metadata": found.metadata, "complete": found.complete}
    if not found.complete:
        files.attrs["note"] = "Not every file is listed: the root file system is not an archive, or very large."
    return files


@verb("diff")
@argument("first", "$FRAME|FOLDER", FRAME_OR_FOLDER)
@argument("others", "$FRAME|WHEN", FRAME_OR_FOLDER, required=False, many=True)
def diff(invocation: Invocation, first: Word, others: tuple[Word, ...]) -> Any:
    """What changed since a frame was taken, or within a history.

    %lxdimg diff $before compares with now, $before $after two frames, FOLDER [WHEN [WHEN]] a History.
    """
    from lxdimg_nb import inventory

    if len(others) > 2:
        raise InvalidRequestError(f"{others[2].text!r} is unexpected; write %lxdimg {diff.usage}")
    if is_frame(first.value):
        if len(others) > 1:
            raise InvalidRequestError("compare two frames at a time: %lxdimg diff $before $after")
        before = _whole(first)
        return inventory.diff(before, _whole(others[0]) if others else _inventory_now(invocation, before))
    folder = expanded_path(first.text)
    if not os.path.isdir(folder):
        raise InvalidRequestError(
            f"{first.text[:60]!r} is neither a frame in a variable nor a history folder; write %lxdimg diff $before"
        )
    return inventory.History(folder).diff(*(word.text for word in others))


def _whole(word: Word) -> Any:
    frame = word.value
    if not is_frame(frame):
        raise InvalidRequestError(f"{word.text[:60]!r} is not a frame of images; keep one with df = %lxdimg list")
    if frame.attrs.get("filter") or frame.attrs.get("images", len(frame)) != len(frame):
        raise InvalidRequestError(f"${word.variable} is only part of an inventory; compare whole ones")
    return frame


def _inventory_now(invocation: Invocation, before: Any) -> Any:
    """The connected server's inventory, of the same projects as the frame."""
    if "server" in before.index.names:
        raise InvalidRequestError("compare a frame of several servers with another one: %lxdimg diff $a $b")
    everywhere = "project" in before.index.names
    project = str(before.attrs.get("project") or invocation.project or "default")
    client = invocation.session.client_for("", invocation.project if everywhere else project)
    if before.attrs.get("server") not in (client.url, None):
        raise InvalidRequestError(
            f"that frame is of {before.attrs['server']}, but this session is connected to {client.url}"
        )
    return client.images.df(all_projects=everywhere)


VERBS = (info, show, get_property, used_by, check, contents, diff)
