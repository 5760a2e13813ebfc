"""Verbs that move an image's bytes, with a bar, or in the background; import and publish have their own files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from lxdimg_nb.errors import ImageExistsError, InvalidRequestError
from lxdimg_nb.magics.grammar import Argument, Call, Flag, Verb
from lxdimg_nb.magics.session.session import say
from lxdimg_nb.magics.verbs.change_verbs import name_of
from lxdimg_nb.magics.verbs.list_verbs import IMAGE, VM

if TYPE_CHECKING:
    from lxdimg_nb.client import Client, Image
    from lxdimg_nb.client.files.progress import ProgressArgument
    from lxdimg_nb.magics.session.session import Session

__all__ = ["ALIAS", "BACKGROUND", "EXPIRE", "PUBLIC", "REUSE", "VERBS", "copied", "long", "named", "new"]

_T = TypeVar("_T")

ALIAS = Flag("--alias", "a name for it; may be repeated", "NAME", many=True)
PUBLIC = Flag("--public", "visible without authentication")
REUSE = Flag("--reuse", "move names that are taken to this image")
EXPIRE = Flag("--expire", "a date, or 90d", "WHEN")
BACKGROUND = Flag("--background", "go on in the background; %lxdimg transfers shows it", short="-b")


def long(call: Call, title: str, where: str, work: Callable[[ProgressArgument], _T], said: Callable[[_T], str]) -> Any:
    """Do it here with a bar, or begin it in the background."""
    if not call.has("--background"):
        result = work(True)
        say(said(result))
        return result
    from lxdimg_nb.panels.transfers import transfers

    transfer = transfers.start(title, work, where=where, say=said)
    say(f"transfer {transfer.number} has begun: {title}; %lxdimg transfers {transfer.number} waits for it")
    return None


def named(client: Client, image: Image, aliases: list[str]) -> Image:
    """Let names point at an image, wherever they pointed before."""
    for alias in aliases:
        change = client.images.aliases.point(alias, to=image)
        if change and change.before.get("target"):
            say(f"{alias}: {change.before['target'][:12]} → {image.fingerprint[:12]}")
    return image.reload() if aliases else image


def new(image: Image) -> str:
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
    return long(call, title, image.server, work, lambda made: f"exported {name_of(image)} to {made}")


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
    where = f"project {target.project} on {target.url}"
    return long(
        call,
        f"copy of {name_of(image)}",
        target.url,
        lambda progress: copied(call, image, target, progress),
        lambda made: f"copied {new(made)} to {where}",
    )


def copied(call: Call, image: Image, target: Client, progress: ProgressArgument) -> Image:
    """The copy of an image on another server, by the flags of the line."""
    reuse = call.has("--reuse")
    aliases = call.options("--alias")
    moved = [*aliases, *([a.name for a in image.aliases] if call.has("--copy-aliases") else [])] if reuse else []
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
    return named(target, made, moved)


def _refresh(session: Session, call: Call) -> Any:
    made = [_refresh_one(call, image) for image in session.images(call.some("IMAGE"), call.project)]
    return made[0] if len(made) == 1 else made


def _refresh_one(call: Call, image: Image) -> Any:
    def said(now: Image) -> str:
        if now.fingerprint == image.fingerprint:
            return f"{name_of(image)} is already current"
        return f"{name_of(image)} → {now.fingerprint[:12]}, {now.record.properties.get('serial', 'a newer build')}"

    title = f"refresh of {name_of(image)}"
    return long(call, title, image.server, lambda progress: image.refresh(progress=progress), said)


VERBS = (
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
)
