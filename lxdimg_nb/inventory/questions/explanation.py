"""One image explained: why it is here, whether it is updated, when it is removed, what deleting it would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd

from lxdimg_nb.client.verbs.read.server_settings import image_settings
from lxdimg_nb.errors import NotFoundError
from lxdimg_nb.filters import Filterable
from lxdimg_nb.filters.fields import alias_names
from lxdimg_nb.inventory.frame import conditions
from lxdimg_nb.inventory.frame.rows import Rows
from lxdimg_nb.inventory.questions.server_pruning import Settings, pruning
from lxdimg_nb.text import display, formats
from lxdimg_nb.text.tables import Table
from lxdimg_nb.values import short_fingerprint

if TYPE_CHECKING:
    from lxdimg_nb.client import Client, Image

__all__ = ["Explanation", "explain", "explain_row"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Answers by question, displayed as text or HTML."""

    fingerprint: str
    answers: Mapping[str, str]

    def table(self) -> Table:
        """The answers as a table."""
        return Table(("", ""), tuple(self.answers.items()), f"image {short_fingerprint(self.fingerprint)}")

    def __str__(self) -> str:
        return str(self.table())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.table().html()


def explain(image: Image, client: Client | None = None, *, now: datetime | None = None) -> Explanation:
    """Explain an image of a server; asks the server who uses it and, with a client, for its settings.

    Args:
        image: as `client.images.get()` returns it.
        client: the client it came from, to ask for the settings and for other projects that hold the image.
        now: ages are counted from here; by default the clock.
    """
    settings: Settings = None
    others: list[str] | None = None
    if client is not None:
        settings = image_settings(client.server_project.in_project(image.project))
        everywhere = client.images.records(all_projects=True)
        others = [i.project for i in everywhere if i.fingerprint == image.fingerprint and i.project != image.project]
    clock = now or image.server_project.server_time
    return _explanation(image, settings, image.used_by(), others, clock)


def explain_row(frame: pd.DataFrame, name: str, *, settings: Settings, now: datetime) -> Explanation:
    """Explain an image of a frame without asking a server.

    Raises:
        NotFoundError: the frame has no such image, or several.
    """
    rows = list(Rows(frame))
    found = [row for row in rows if name in alias_names(row)]
    found = found or [row for row in rows if len(name) >= 4 and row.fingerprint.startswith(name.lower())]
    if len({row.key for row in found}) != 1:
        what = "no image" if not found else f"{len(found)} images that fit"
        raise NotFoundError(f"the frame has {what} {name!r}; give a full fingerprint or an alias of one image")
    row = found[0]
    others = [
        other.project
        for other in rows
        if (other.server, other.fingerprint) == (row.server, row.fingerprint) and other.project != row.project
    ]
    spans = "project" in frame.index.names
    clock = conditions.times_of_servers(frame, now).tolist()[rows.index(row)]
    return _explanation(row, settings, row.used_by, others if spans else None, clock)


def _explanation(
    image: Filterable,
    settings: Settings,
    used_by: Sequence[str] | None,
    others: Sequence[str] | None,
    now: datetime,
) -> Explanation:
    users = "not known"
    if used_by is not None:
        users = display.format_value(used_by[:20]) or "no instance or snapshot"
    answers = {
        "why it is here": _origin(image, now),
        "automatic update": _update(image),
        "when it goes": _removal(image, settings, now),
        "expiry": _expiry(image, now),
        "who can fetch it": "everybody who reaches the server" if image.public else "only whom the server trusts",
        "used by": users,
        "deleting it frees": _frees(image, others),
        "deleting it breaks": _breaks(image, used_by),
    }
    return Explanation(image.fingerprint, answers)


def _origin(image: Filterable, now: datetime) -> str:
    came = formats.age(image.uploaded_at, now)
    source = image.update_source
    if source is not None:
        how = "the server fetched it on its own for an instance" if image.cached else "it was copied on request"
        return f"{how}, from {source.alias or 'no alias'} of {source.server} ({source.protocol}), {came}"
    if image.cached:
        return f"the server fetched it on its own for an instance, and did not record where from, {came}"
    return f"it was uploaded, published or copied without a source, {came}"


def _update(image: Filterable) -> str:
    source = image.update_source
    if source is None or not source.alias:
        reason = "it has no source" if source is None else "its source names no alias"
        return f"{'on, without effect' if image.auto_update else 'off, and cannot work'}: {reason} to be fetched from"
    if source.protocol == "direct":
        return f"{'on, without effect' if image.auto_update else 'off'}: servers no longer update from a plain URL"
    where = f"{source.alias} of {source.server}"
    if image.auto_update:
        return f"on: a newer build of {where} will replace it, under a new fingerprint"
    return f"off; switched on it would follow {where}"


def _removal(image: Filterable, settings: Settings, now: datetime) -> str:
    planned = pruning(image, settings)
    if planned.when is None:
        return f"never by itself: {planned.reason}"
    when = f"{formats.age(planned.when, now)} ({formats.timestamp(planned.when)})"
    if planned.when <= now:
        when = "at the next daily pruning"
    return f"{when}, unless it is used before: {planned.reason}"


def _expiry(image: Filterable, now: datetime) -> str:
    if image.expires_at is None:
        return "none is set"
    word = "passed" if image.expires_at <= now else "is set"
    return f"{formats.timestamp(image.expires_at)} {word}; no server removes or blocks an image for it"


def _frees(image: Filterable, others: Sequence[str] | None) -> str:
    size = formats.size(image.size)
    if others is None:
        return f"up to {size}; less where another project holds it, or storage pools keep copies for instances"
    if others:
        where = f"{formats.plural(len(others), 'other project')} ({display.format_value(list(others))})"
        return f"nothing: the same {size} are held by {where}, too"
    return f"{size}; storage pools may keep their copies for instances"


def _breaks(image: Filterable, used_by: Sequence[str] | None) -> str:
    names = alias_names(image)
    parts = [f"{formats.plural(len(names), 'alias')} would vanish: {display.format_value(names)}"] if names else []
    if used_by:
        users = formats.plural(len(used_by), "user")
        parts.append(f"{users} (instances, snapshots) stay, but cannot be recreated from it")
    return "; ".join(parts) or "no alias points at it" + ("" if used_by is None else ", nothing uses it")
