"""Verbs that move an image's bytes, with a bar."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.magics.grammar import Argument, Call, Flag, Verb
from lxdimg_nb.magics.reading import IMAGE
from lxdimg_nb.magics.session import say
from lxdimg_nb.magics.writing import moment, name_of, pairs

if TYPE_CHECKING:
    from lxdimg_nb.client import Client, Image
    from lxdimg_nb.client.export import Export
    from lxdimg_nb.magics.line import Word
    from lxdimg_nb.magics.session import Session

__all__ = ["NEW_IMAGE", "VERBS", "point_all"]

# What `lxc` can say of an image that comes to be.
NEW_IMAGE = (
    Flag("--alias", "a name for it; may be repeated", "NAME", many=True),
    Flag("--public", "visible without authentication"),
    Flag("--reuse", "move aliases that are taken to this image"),
)


def _import(session: Session, call: Call) -> Image:
    files, remote, properties = _sorted(call.some("ROOTFS|REMOTE:|KEY=VALUE"))
    if len(files) > 1:
        raise InvalidRequestError(
            f"an image is one file or two, the metadata and the root file system, not also {files[1]}"
        )
    client = session.at(remote, call.project)
    first = call.one("FILE")
    data: Any = first.value if first.value is not None else first.text
    metadata = data if files else None
    aliases = call.options("--alias")
    later = aliases if call.has("--reuse") else []
    image = client.images.create(
        files[0] if files else data,
        public=call.has("--public"),
        wait=True,
        metadata=metadata,
        type={"container": "container", "vm": "virtual-machine", None: None}[call.option("--type")],
        properties=properties or None,
        aliases=() if later else aliases,
        auto_update=True if call.has("--auto-update") else None,
        expires_at=moment(expiry) if (expiry := call.option("--expire")) else None,
        exist_ok=call.has("--reuse"),
        progress=True,
    )
    point_all(client, image, later)
    say(f"imported {name_of(image)}, {'public' if image.public else 'private'}, on {client.url}")
    return image


def _sorted(words: list[Word]) -> tuple[list[str], str, dict[str, str]]:
    """Files, the remote and the properties among the words behind the first file."""
    remote, files, properties = "", [], []
    for word in words:
        if word.text.endswith(":") and "/" not in word.text:
            remote = word.text[:-1]
        elif "=" in word.text and not Path(word.text).expanduser().exists():
            properties.append(word)
        else:
            files.append(word.text)
    return files, remote, pairs(properties)


def point_all(client: Client, image: Image, aliases: list[str]) -> None:
    """Let names point at an image, wherever they pointed before, and say so."""
    for alias in aliases:
        change = client.images.aliases.point(alias, to=image)
        if change and change.before.get("target"):
            say(f"{alias}: {change.before['target'][:12]} → {image.fingerprint[:12]}")
    if aliases:
        image.reload()


def _export(session: Session, call: Call) -> Export:
    image = session.image(call.one("IMAGE"), call.project)
    target = call.text("TARGET") or "."
    if target == "-":
        raise InvalidRequestError("a notebook has no pipe; for the bytes write image.export()")
    made: Export = image.export(
        target,
        resume=not call.has("--restart"),
        bundle=call.has("--bundle"),
        sidecar=call.has("--sidecar"),
        progress=True,
    )
    say(f"exported {name_of(image)} to {made}")
    return made


VERBS = (
    Verb(
        "import",
        "import an image from one or two files of the kernel's machine",
        _import,
        (Argument("FILE", "file"), Argument("ROOTFS|REMOTE:|KEY=VALUE", "file", optional=True, many=True)),
        (
            *NEW_IMAGE,
            Flag("--auto-update", "keep it fresh"),
            Flag("--expire", "a date, or 90d", "WHEN"),
            Flag("--type", "of a split image, when its content does not tell", "TYPE", choices=("container", "vm")),
        ),
        more="For a split image name the metadata and the root file system. KEY=VALUE sets properties.",
    ),
    Verb(
        "export",
        "write an image to a folder or file, verified; goes on where an earlier try ended",
        _export,
        (IMAGE, Argument("TARGET", "file", optional=True)),
        (
            Flag("--bundle", "the two files of a split image as one that import takes back"),
            Flag("--sidecar", "with aliases, properties and provenance in a JSON file beside it"),
            Flag("--restart", "from the beginning, whatever an earlier try left"),
        ),
    ),
)
