"""Verbs that open panels and show events and background transfers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from lxdimg_nb.client import Image
from lxdimg_nb.errors import InvalidRequestError, LxdImageError, OperationCancelledError, OperationFailedError
from lxdimg_nb.magics.line.command import argument, flag, option, verb
from lxdimg_nb.magics.line.options import ALL_PROJECTS
from lxdimg_nb.magics.line.server_types import IMAGE, TRANSFER
from lxdimg_nb.magics.line.types import COUNT, DURATION
from lxdimg_nb.magics.session.messages import echo
from lxdimg_nb.magics.session.session import Invocation
from lxdimg_nb.text import formats
from lxdimg_nb.values import Event

if TYPE_CHECKING:
    from lxdimg_nb.panels.base.transfers import Transfer


@verb("panel")
@argument("image", "IMAGE", IMAGE, required=False)
def open_panel(invocation: Invocation, image: Image | None) -> Any:
    """The panel of all images, or of one."""
    return image.panel() if image is not None else invocation.client().images.panel()


@verb("monitor")
@option("--types", metavar="TYPES", help="lifecycle, operation or logging, separated by commas")
@option("--for", "seconds", type=DURATION, metavar="TIME", help="how long: 30s, 5m")
@option("--count", "limit", type=COUNT, metavar="NUMBER", help="stop after this many events")
@ALL_PROJECTS
def monitor(
    invocation: Invocation, types: str | None, seconds: float | None, limit: int | None, all_projects: bool
) -> Any:
    """Show the events of the server as they happen, until interrupted."""
    from lxdimg_nb.magics.show.frames import listing

    kinds = [kind for kind in (types or "lifecycle,operation").split(",") if kind]
    heard: list[Event] = []
    with invocation.client().events(kinds, all_projects=all_projects) as events:
        timer = threading.Timer(seconds, events.close) if seconds is not None else None
        if timer is not None:
            timer.daemon = True
            timer.start()
        try:
            for event in events:
                heard.append(event)
                echo(_event_line(event))
                if len(heard) == limit:
                    break
        except KeyboardInterrupt:
            pass  # This is how a user stops it.
        finally:
            if timer is not None:
                timer.cancel()
    columns = {
        "type": [event.type for event in heard],
        "what": [event.action or str(event.metadata.get("description") or "") for event in heard],
        "source": [event.source for event in heard],
        "project": [event.project for event in heard],
    }
    return listing("time", [formats.timestamp(e.timestamp) if e.timestamp else "" for e in heard], columns)


def _event_line(event: Event) -> str:
    time = f"{event.timestamp:%H:%M:%S}" if event.timestamp else "--:--:--"
    if event.type == "operation":
        status = str(event.metadata.get("status") or "")
        return f"{time} operation {event.metadata.get('description') or ''}: {status}"
    return f"{time} {event.action or event.type} {event.source} {event.project}".rstrip()


@verb("transfers")
@argument("transfer", "NUMBER", TRANSFER, required=False)
@flag("--cancel", help="cancel it")
def show_transfers(invocation: Invocation, transfer: Transfer | None, cancel: bool) -> Any:
    """Background transfers as a frame; with a number, wait for that one."""
    if transfer is not None:
        return _cancel(transfer) if cancel else _wait(transfer)
    if cancel:
        raise InvalidRequestError("say which: %lxdimg transfers NUMBER --cancel")
    from lxdimg_nb.magics.show.frames import listing
    from lxdimg_nb.panels.base.transfers import transfers

    found = list(transfers)
    views = [one.view() for one in found]
    columns = {name: [str(view[name]) for view in views] for name in ("title", "state", "text", "where")}
    return listing("transfer", [str(one.number) for one in found], columns)


def _cancel(transfer: Transfer) -> Any:
    if transfer.active:
        echo(f"cancelling transfer {transfer.number} …")
    transfer.cancel()
    transfer.wait()
    echo(f"transfer {transfer.number}: {transfer.text}")
    return transfer.result


def _wait(transfer: Transfer) -> Any:
    """Wait for a transfer with a bar; an interrupt ends only the waiting."""
    from lxdimg_nb.client.files.progress import reporting

    try:
        with reporting(True, transfer.title) as report:
            while not transfer.wait(0.1):
                if transfer.progress.phase:
                    report(transfer.progress)
    except KeyboardInterrupt as error:
        raise OperationCancelledError(
            f"stopped waiting; transfer {transfer.number} continues (%lxdimg transfers {transfer.number} --cancel)"
        ) from error
    if transfer.error is None:
        echo(transfer.text)
        return transfer.result
    if isinstance(transfer.error, LxdImageError):
        raise transfer.error
    raise OperationFailedError(f"{transfer.title} failed: {transfer.error}") from transfer.error


VERBS = (open_panel, monitor, show_transfers)
