"""Verbs that look into images and compare: files before an import, contents, inventories."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.magics.grammar import Argument, Call, Verb
from lxdimg_nb.magics.verbs.import_verbs import file_of
from lxdimg_nb.magics.verbs.list_verbs import IMAGE

if TYPE_CHECKING:
    from lxdimg_nb.magics.line.words import Word
    from lxdimg_nb.magics.session.session import Session

__all__ = ["VERBS"]


def _check(session: Session, call: Call) -> Any:
    from lxdimg_nb.magics.show.results import Check

    client = session.at("", call.project)
    rootfs = call.text("ROOTFS")
    with file_of(call.one("FILE"), True, alone=not rootfs) as data:
        return Check.of(client.images.check(rootfs or data, metadata=data if rootfs else None, progress=True))


def _contents(session: Session, call: Call) -> Any:
    from lxdimg_nb.magics.show.listing import Listing

    contents = session.image(call.one("IMAGE"), call.project).contents()
    others = call.some("OTHER")
    if others:
        return Listing(contents.compare(session.image(others[0], call.project).contents()))
    files = Listing(contents.files)
    files.attrs |= {"metadata": contents.metadata, "complete": contents.complete}
    if not contents.complete:
        files.attrs["note"] = "Not every file is listed: the root file system is no archive, or very large."
    return files


def _diff(session: Session, call: Call) -> Any:
    from lxdimg_nb.inventory import History, diff

    words = call.some("$FRAME|FOLDER [$FRAME|WHEN…]")
    if len(words) > 3:
        raise InvalidRequestError(f"{words[3].text!r} is one word too many; write %lxdimg {call.verb.usage}")
    first = words[0]
    if first.value is None:
        folder = Path(first.text).expanduser()
        if not folder.is_dir():
            raise InvalidRequestError(
                f"{first.text!r} is no frame in a variable and no folder of a history; write %lxdimg diff $before"
            )
        return History(folder).diff(*(word.text for word in words[1:]))
    if len(words) > 2:
        raise InvalidRequestError("frames are compared by twos")
    before = _whole(first)
    if len(words) == 2:
        return diff(before, _whole(words[1]))
    return diff(before, _now(session, before, call.project))


def _whole(word: Word) -> Any:
    frame = word.value
    if not hasattr(frame, "columns") or not hasattr(frame, "attrs"):
        raise InvalidRequestError(f"{word.text[:60]!r} is no frame of images; keep one with df = %lxdimg list")
    if frame.attrs.get("filter") or frame.attrs.get("images", len(frame)) != len(frame):
        raise InvalidRequestError(f"${word.variable} is only a part of an inventory; compare whole ones")
    return frame


def _now(session: Session, before: Any, project: str | None) -> Any:
    """The connected server's inventory of the same extent."""
    if "server" in before.index.names:
        raise InvalidRequestError("a frame of several servers is compared with another one: %lxdimg diff $a $b")
    everywhere = "project" in before.index.names
    client = session.at("", project if everywhere else str(before.attrs.get("project") or project or "default"))
    if before.attrs.get("server") not in (client.url, None):
        raise InvalidRequestError(
            f"that frame is of {before.attrs['server']}, and this session is connected to {client.url}"
        )
    return client.images.df(all_projects=everywhere)


VERBS = (
    Verb(
        "check",
        "what an import would meet: kind, problems, already there?",
        _check,
        (Argument("FILE", "file"), Argument("ROOTFS", "file", optional=True)),
        more="Nothing is sent. For a split image name the metadata and the root file system.",
    ),
    Verb(
        "contents",
        "the files in an image as a frame, or what differs between two",
        _contents,
        (IMAGE, Argument("OTHER", "image", optional=True)),
        more="Read from the server without keeping or extracting anything; metadata.yaml is in .attrs['metadata'].",
    ),
    Verb(
        "diff",
        "what changed since a frame was taken, or within a history",
        _diff,
        (Argument("$FRAME|FOLDER [$FRAME|WHEN…]", "file", many=True),),
        more="%lxdimg diff $before compares with now, $before $after two frames, FOLDER [WHEN [WHEN]] a History.",
    ),
)
