"""One image in words: why it is here, whether it can update itself, when it goes, what deleting it would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pandas as pd

from lxdimg_nb.errors import NotFoundError
from lxdimg_nb.inventory.frame.rows import Row, Rows
from lxdimg_nb.inventory.questions.server_pruning import pruning
from lxdimg_nb.text import display, formats
from lxdimg_nb.values import short_fingerprint

if TYPE_CHECKING:
    from lxdimg_nb.client import Client, Image
    from lxdimg_nb.filters import Filterable

__all__ = ["Explanation", "explain", "explain_row"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Answers, by question; shown as text and as HTML."""

    fingerprint: str
    answers: Mapping[str, str]

    def table(self) -> display.Table:
        """The answers as a table."""
        return display.Table(("", ""), tuple(self.answers.items()), f"image {short_fingerprint(self.fingerprint)}")

    def __str__(self) -> str:
        return str(self.table())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.table().html()


def explain(image: Image, client: Client | None = None, *, now: datetime | None = None) -> Explanation:
    """Explain an image of a server; asks the server who uses it and, with a client, for its settings.

    Args:
        image: as `client.images.get()` returns it.
        client: the client it came from, for the settings and the other projects that hold it.
    """
    settings: Mapping[str, str] | None = None
    others: list[str] | None = None
    if client is not None:
        from lxdimg_nb.client.verbs.image_settings import image_settings

        settings = image_settings(client, image.project)
        everywhere = client.images.records(all_projects=True)
        others = [i.project for i in everywhere if i.fingerprint == image.fingerprint and i.project != image.project]
    return _explanation(image, settings, image.used_by(), others, now or datetime.now(UTC))


def explain_row(
    frame: pd.DataFrame, name: str, *, settings: Mapping[str, str] | int | None, now: datetime
) -> Explanation:
    """Explain an image of a frame, from the frame alone.

    Raises:
        NotFoundError: the frame has no such image, or several.
    """
    rows = list(Rows(frame))
    found = [row for row in rows if name in [alias.name for alias in row.aliases]]
    found = found or [row for row in rows if len(name) >= 4 and row.fingerprint.startswith(name.lower())]
    if len({(row.server, row.project, row.fingerprint) for row in found}) != 1:
        what = "no image" if not found else f"{len(found)} images that fit"
        raise NotFoundError(f"the frame has {what} {name!r}; give a full fingerprint or an alias of one image")
    row = found[0]
    others = [
        other.project
        for other in rows
        if (other.server, other.fingerprint) == (row.server, row.fingerprint) and other.project != row.project
    ]
    spans = "project" in frame.index.names
    return _explanation(row, settings, row.used_by, others if spans else None, now)


def _explanation(
    image: Filterable | Row,
    settings: Mapping[str, str] | int | None,
    used_by: Sequence[str] | None,
    others: Sequence[str] | None,
    now: datetime,
) -> Explanation:
    return Explanation(
        image.fingerprint,
        {
            "why it is here": _origin(image, now),
            "automatic update": _update(image),
            "when it goes": _end(image, settings, now),
            "expiry": _expiry(image, now),
            "who can fetch it": "everybody who reaches the server" if image.public else "only whom the server trusts",
            "used by": "not known"
            if used_by is None
            else display.format_value(list(used_by)[:20]) or "no instance or snapshot",
            "deleting it frees": _frees(image, others),
            "deleting it breaks": _breaks(image, used_by),
        },
    )


def _origin(image: Filterable, now: datetime) -> str:
    came = formats.age(image.uploaded_at, now)
    source = image.update_source
    if source is not None:
        how = "the server fetched it on its own for an instance" if image.cached else "it was copied on request"
        return f"{how}, from {source.alias or 'no alias'} of {source.server} ({source.protocol}), {came}"
    if image.cached:
        return f"the server fetched it on its own for an instance, and did not note where from, {came}"
    return f"it was uploaded, published or copied without a source, {came}"


def _update(image: Filterable) -> str:
    source = image.update_source
    if source is None or not source.alias:
        reason = "it has no source" if source is None else "its source names no alias"
        return f"{'on, but in vain' if image.auto_update else 'off, and cannot work'}: {reason} to be fetched from"
    if source.protocol == "direct":
        return f"{'on, but in vain' if image.auto_update else 'off'}: servers no longer update from a plain URL"
    where = f"{source.alias} of {source.server}"
    if image.auto_update:
        return f"on: a newer build of {where} will replace it, under a new fingerprint"
    return f"off; switched on it would follow {where}"


def _end(image: Filterable, settings: Mapping[str, str] | int | None, now: datetime) -> str:
    fate = pruning(image, settings)
    if fate.when is None:
        return f"never by itself: {fate.reason}"
    when = (
        "at the next daily pruning"
        if fate.when <= now
        else f"{formats.age(fate.when, now)} ({formats.timestamp(fate.when)})"
    )
    return f"{when}, unless it is used before: {fate.reason}"


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
    names = [alias.name for alias in image.aliases]
    parts = [f"{formats.plural(len(names), 'alias')} would vanish: {display.format_value(names)}"] if names else []
    if used_by:
        users = formats.plural(len(used_by), "user")
        parts.append(f"{users} (instances, snapshots) live on, but cannot be made anew from it")
    return "; ".join(parts) or "no alias points at it" + ("" if used_by is None else ", nothing uses it")
