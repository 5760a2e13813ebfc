"""Verbs that show what goes on: events, transfers, panels."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from lxdimg_nb.errors import InvalidRequestError, LxdImageError, OperationCancelledError, OperationFailedError
from lxdimg_nb.magics.grammar import Argument, Call, Flag, Verb
from lxdimg_nb.magics.session.session import say
from lxdimg_nb.text import formats

if TYPE_CHECKING:
    from lxdimg_nb.magics.session.session import Session
    from lxdimg_nb.panels.transfers import Transfer
    from lxdimg_nb.values import Event

__all__ = ["VERBS"]


def _panel(session: Session, call: Call) -> Any:
    words = call.some("IMAGE")
    if words:
        return session.image(words[0], call.project).panel()
    return session.at("", call.project).images.panel()


def _monitor(session: Session, call: Call) -> Any:
    from lxdimg_nb.magics.show.listing import listing

    client = session.at("", call.project)
    kinds = [kind for kind in (call.option("--types") or "lifecycle,operation").split(",") if kind]
    most, seconds = _count(call.option("--count")), _seconds(call.option("--for"))
    heard: list[Event] = []
    with client.events(kinds, all_projects=call.has("--all-projects")) as events:
        end = threading.Timer(seconds, events.close) if seconds is not None else None
        if end is not None:
            end.daemon = True
            end.start()
        try:
            for event in events:
                heard.append(event)
                say(_line(event))
                if most is not None and len(heard) >= most:
                    break
        except KeyboardInterrupt:
            pass  # that is how one stops to watch
        finally:
            if end is not None:
                end.cancel()
    columns = {
        "type": [event.type for event in heard],
        "what": [event.action or str(event.metadata.get("description") or "") for event in heard],
        "source": [event.source for event in heard],
        "project": [event.project for event in heard],
    }
    return listing("time", [formats.when(e.timestamp) if e.timestamp else "" for e in heard], columns)


def _line(event: Event) -> str:
    time = f"{event.timestamp:%H:%M:%S}" if event.timestamp else "--:--:--"
    if event.type == "operation":
        status = str(event.metadata.get("status") or "")
        return f"{time} operation {event.metadata.get('description') or ''}: {status}"
    return f"{time} {event.action or event.type} {event.source} {event.project}".rstrip()


def _count(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdigit() or int(text) == 0:
        raise InvalidRequestError(f"--count takes a number, not {text!r}")
    return int(text)


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return formats.parse_duration(text).total_seconds()
    except (ValueError, OverflowError) as error:
        raise InvalidRequestError(str(error)) from error


def _transfers(session: Session, call: Call) -> Any:
    del session
    from lxdimg_nb.magics.show.listing import listing
    from lxdimg_nb.panels.transfers import transfers

    text = call.text("NUMBER")
    if not text:
        if call.has("--cancel"):
            raise InvalidRequestError("say which: %lxdimg transfers NUMBER --cancel")
        found = list(transfers)
        views = [transfer.view() for transfer in found]
        columns = {name: [str(view[name]) for view in views] for name in ("title", "state", "text", "where")}
        return listing("transfer", [str(transfer.number) for transfer in found], columns)
    transfer = transfers.get(int(text)) if text.isdigit() else None
    if transfer is None:
        known = ", ".join(str(t.number) for t in transfers) or "none"
        raise InvalidRequestError(f"no transfer {text!r} in this kernel; there are: {known}")
    if not call.has("--cancel"):
        return _attached(transfer)
    transfer.cancel()
    transfer.wait()
    say(f"transfer {transfer.number}: {transfer.text}")
    return transfer.result


def _attached(transfer: Transfer) -> Any:
    """Wait for a transfer with a bar; an interrupt ends the waiting and not the transfer."""
    from lxdimg_nb.client.files.progress import reporting

    try:
        with reporting(True, transfer.title) as report:
            while not transfer.wait(0.1):
                if transfer.progress.phase:
                    report(transfer.progress)
    except KeyboardInterrupt as error:
        raise OperationCancelledError(
            f"no longer waiting; transfer {transfer.number} goes on (%lxdimg transfers {transfer.number} --cancel)"
        ) from error
    if transfer.error is None:
        say(transfer.text)
        return transfer.result
    if isinstance(transfer.error, LxdImageError):
        raise transfer.error
    raise OperationFailedError(f"{transfer.title} failed: {transfer.error}") from transfer.error


VERBS = (
    Verb(
        "panel",
        "the browser of images, or the panel of one",
        _panel,
        (Argument("IMAGE", "image", optional=True),),
    ),
    Verb(
        "monitor",
        "what happens on the server, as it happens, until interrupted",
        _monitor,
        (),
        (
            Flag("--types", "lifecycle, operation, logging; with commas", "TYPES"),
            Flag("--for", "how long: 30s, 5m", "TIME"),
            Flag("--count", "so many events at most", "NUMBER"),
            Flag("--all-projects", "of every project"),
        ),
    ),
    Verb(
        "transfers",
        "what runs in the background, as a frame; with a number, wait for it",
        _transfers,
        (Argument("NUMBER", "transfer", optional=True),),
        (Flag("--cancel", "stop it"),),
        connected=False,
    ),
)
