"""Verbs that move an image's bytes, with a bar, or in the background."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lxdimg_nb.errors import ImageExistsError, InvalidRequestError
from lxdimg_nb.magics.grammar import Argument, Call, Flag, Verb
from lxdimg_nb.magics.reading import IMAGE, VM
from lxdimg_nb.magics.session import say
from lxdimg_nb.magics.writing import moment, name_of, pairs

if TYPE_CHECKING:
    from lxdimg_nb.client import Client, Image
    from lxdimg_nb.client.progress import ProgressArgument
    from lxdimg_nb.magics.line import Word
    from lxdimg_nb.magics.session import Session

__all__ = ["VERBS"]

_T = TypeVar("_T")

ALIAS = Flag("--alias", "a name for it; may be repeated", "NAME", many=True)
PUBLIC = Flag("--public", "visible without authentication")
REUSE = Flag("--reuse", "move names that are taken to this image")
EXPIRE = Flag("--expire", "a date, or 90d", "WHEN")
BACKGROUND = Flag("--background", "go on in the background; %lxdimg transfers shows it", short="-b")


def _long(call: Call, title: str, where: str, work: Callable[[ProgressArgument], _T], said: Callable[[_T], str]) -> Any:
    """Do it here with a bar, or begin it in the background."""
    if not call.has("--background"):
        result = work(True)
        say(said(result))
        return result
    from lxdimg_nb.panels.transfers import transfers

    transfer = transfers.start(title, work, where=where, say=said)
    say(f"transfer {transfer.number} has begun: {title}; %lxdimg transfers {transfer.number} waits for it")
    return None


def _import(session: Session, call: Call) -> Any:
    files, remote, properties = _sorted(call.some("ROOTFS|REMOTE:|KEY=VALUE"))
    if len(files) > 1:
        raise InvalidRequestError(
            f"an image is one file, or two: the metadata and the root file system; {files[1]} is a third"
        )
    client = session.at(remote, call.project)
    first = call.one("FILE|URL")
    data: Any = first.value if first.value is not None else first.text
    aliases, reuse = call.options("--alias"), call.has("--reuse")
    expiry = call.option("--expire")

    if first.value is None and first.text.startswith(("https://", "http://")):
        if files or call.has("--type"):
            raise InvalidRequestError("from an address comes a unified image: one file, without --type")
        return _import_url(call, client, first.text, properties)
    for flag in ("--sha256", "--server-cert"):
        if call.has(flag):
            raise InvalidRequestError(f"{flag} goes with an https:// address")

    def work(progress: ProgressArgument) -> Image:
        image = client.images.create(
            files[0] if files else data,
            public=call.has("--public"),
            wait=True,
            metadata=data if files else None,
            type={"container": "container", "vm": "virtual-machine", None: None}[call.option("--type")],
            properties=properties or None,
            aliases=() if reuse else aliases,
            auto_update=True if call.has("--auto-update") else None,
            expires_at=moment(expiry) if expiry else None,
            exist_ok=reuse,
            progress=progress,
        )
        return _named(client, image, aliases if reuse else [])

    title = f"import of {Path(first.text).name if first.value is None else first.variable}"
    return _long(call, title, client.url, work, lambda image: f"imported {_new(image)} on {client.url}")


def _import_url(call: Call, client: Client, url: str, properties: dict[str, str]) -> Any:
    aliases, reuse, expiry = call.options("--alias"), call.has("--reuse"), call.option("--expire")

    def work(progress: ProgressArgument) -> Image:
        image = client.images.create_from_url(
            url,
            call.has("--public"),
            call.has("--auto-update"),
            sha256=call.option("--sha256"),
            server_cert=call.option("--server-cert"),
            properties=properties or None,
            aliases=() if reuse else aliases,
            expires_at=moment(expiry) if expiry else None,
            exist_ok=reuse,
            progress=progress,
        )
        return _named(client, image, aliases if reuse else [])

    title = f"import of {url.partition('?')[0].rpartition('/')[2] or 'an address'}"
    return _long(call, title, client.url, work, lambda image: f"imported {_new(image)} on {client.url}")


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


def _named(client: Client, image: Image, aliases: list[str]) -> Image:
    """Let names point at an image, wherever they pointed before."""
    for alias in aliases:
        change = client.images.aliases.point(alias, to=image)
        if change and change.before.get("target"):
            say(f"{alias}: {change.before['target'][:12]} → {image.fingerprint[:12]}")
    return image.reload() if aliases else image


def _new(image: Image) -> str:
    return f"{name_of(image)}, {'public' if image.public else 'private'},"


def _export(session: Session, call: Call) -> Any:
    image = session.image(call.one("IMAGE"), call.project, vm=call.has("--vm"))
    target = call.text("TARGET") or "."
    if target == "-":
        raise InvalidRequestError("a notebook has no pipe; for the bytes write image.export()")

    def work(progress: ProgressArgument) -> Any:
        return image.export(
            target,
            resume=not call.has("--restart"),
            bundle=call.has("--bundle"),
            sidecar=call.has("--sidecar"),
            progress=progress,
        )

    title = f"export of {name_of(image)}"
    return _long(call, title, image.server, work, lambda made: f"exported {name_of(image)} to {made}")


def _copy(session: Session, call: Call) -> Any:
    words = list(call.some("IMAGE… REMOTE:"))
    remote = words.pop().text[:-1] if words[-1].text.endswith(":") and words[-1].value is None else ""
    project = call.option("--target-project")
    if not words:
        raise InvalidRequestError(f"an image is missing; write %lxdimg {call.verb.usage}")
    if not remote and project is None:
        raise InvalidRequestError("say where to: REMOTE: at the end, or --target-project NAME")
    images = session.images(words, call.project, vm=call.has("--vm"))
    if len(images) > 1 and call.has("--alias"):
        raise InvalidRequestError("--alias names one image; copy the others by themselves, or use --copy-aliases")
    target = session.at(remote, project)
    made = [_copy_one(call, image, target) for image in images]
    return made[0] if len(made) == 1 else made


def _copy_one(call: Call, image: Image, target: Client) -> Any:
    reuse = call.has("--reuse")
    aliases = call.options("--alias")
    moved = [*aliases, *([a.name for a in image.aliases] if call.has("--copy-aliases") else [])] if reuse else []

    def work(progress: ProgressArgument) -> Image:
        try:
            made = image.copy(
                target,
                mode=call.option("--mode") or "auto",
                aliases=() if reuse else aliases,
                copy_aliases=call.has("--copy-aliases") and not reuse,
                public=call.has("--public"),
                auto_update=call.has("--auto-update"),
                progress=progress,
            )
        except ImageExistsError:
            if not reuse:
                raise
            made = target.images.get(image.fingerprint)
        return _named(target, made, moved)

    where = f"project {target.project} on {target.url}"
    return _long(call, f"copy of {name_of(image)}", target.url, work, lambda made: f"copied {_new(made)} to {where}")


def _refresh(session: Session, call: Call) -> Any:
    made = [_refresh_one(call, image) for image in session.images(call.some("IMAGE"), call.project)]
    return made[0] if len(made) == 1 else made


def _refresh_one(call: Call, image: Image) -> Any:
    def said(now: Image) -> str:
        if now.fingerprint == image.fingerprint:
            return f"{name_of(image)} is already current"
        return f"{name_of(image)} → {now.fingerprint[:12]}, {now.record.properties.get('serial', 'a newer build')}"

    title = f"refresh of {name_of(image)}"
    return _long(call, title, image.server, lambda progress: image.refresh(progress=progress), said)


def _publish(session: Session, call: Call) -> Any:
    client, instance = session.named(call.text("INSTANCE[/SNAPSHOT]"), call.project)
    properties = pairs(call.some("KEY=VALUE"))
    aliases, reuse, expiry = call.options("--alias"), call.has("--reuse"), call.option("--expire")

    def work(progress: ProgressArgument) -> Image:
        image = client.images.publish(
            instance,
            aliases=() if reuse else aliases,
            public=call.has("--public"),
            properties=properties or None,
            expires_at=moment(expiry) if expiry else None,
            compression=call.option("--compression"),
            format=call.option("--format"),
            progress=progress,
        )
        return _named(client, image, aliases if reuse else [])

    return _long(
        call, f"publish of {instance}", client.url, work, lambda image: f"published {instance} as {_new(image)}"[:-1]
    )


VERBS = (
    Verb(
        "import",
        "import an image from a file or two of the kernel's machine, or an address",
        _import,
        (Argument("FILE|URL", "file"), Argument("ROOTFS|REMOTE:|KEY=VALUE", "file", optional=True, many=True)),
        (
            ALIAS,
            PUBLIC,
            Flag("--auto-update", "keep it fresh, where it has a source"),
            EXPIRE,
            REUSE,
            Flag("--type", "of a split image, when its content does not tell", "TYPE", choices=("container", "vm")),
            Flag("--sha256", "what the file at the address must be", "SUM"),
            Flag("--server-cert", "the certificate of the address, and no other", "FILE", "file"),
            BACKGROUND,
        ),
        more="For a split image name the metadata and the root file system. KEY=VALUE sets properties.",
    ),
    Verb(
        "export",
        "write an image to a folder or file, verified; resumes",
        _export,
        (IMAGE, Argument("TARGET", "file", optional=True)),
        (
            VM,
            Flag("--bundle", "the two files of a split image as one that import takes back"),
            Flag("--sidecar", "with aliases, properties and provenance in a JSON file beside it"),
            Flag("--restart", "from the beginning, whatever an earlier try left"),
            BACKGROUND,
        ),
    ),
    Verb(
        "copy",
        "copy images to another server or project",
        _copy,
        (Argument("IMAGE… REMOTE:", "image", many=True),),
        (
            ALIAS,
            Flag("--copy-aliases", "with its names"),
            PUBLIC,
            Flag("--auto-update", "keep the copy fresh"),
            Flag("--mode", "who moves the bytes", "MODE", choices=("auto", "pull", "push", "relay")),
            VM,
            Flag("--target-project", "into this project", "PROJECT", "project"),
            REUSE,
            BACKGROUND,
        ),
        more="The copy is private without --public. Within a server, --target-project alone is enough.",
    ),
    Verb(
        "refresh",
        "have the server fetch newer builds of images",
        _refresh,
        (Argument("IMAGE", "image", many=True),),
        (BACKGROUND,),
    ),
    Verb(
        "publish",
        "make an image of a stopped instance, or of a snapshot",
        _publish,
        (Argument("INSTANCE[/SNAPSHOT]", "instance"), Argument("KEY=VALUE", "pair", optional=True, many=True)),
        (
            ALIAS,
            PUBLIC,
            Flag("--compression", "gzip, zstd, xz, none …", "NAME"),
            EXPIRE,
            REUSE,
            Flag("--format", "where the server can choose", "FORMAT", choices=("unified", "split")),
            BACKGROUND,
        ),
        more="What is published can hold the instance's secrets: think before it is public.",
    ),
)
