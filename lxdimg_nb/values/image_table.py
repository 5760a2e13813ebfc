"""Images as tables: one with every attribute, or several with a row each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from lxdimg_nb.text import formats
from lxdimg_nb.text.cells import Badge, Kind, badge
from lxdimg_nb.text.display import format_value, sanitize
from lxdimg_nb.text.tables import Table
from lxdimg_nb.values.fingerprint import short_fingerprint

__all__ = ["format_attribute", "image_table", "images_table"]

_TIMES = ("created_at", "uploaded_at", "last_used_at", "expires_at")


def format_attribute(name: str, value: object, *, now: datetime | None = None) -> str:
    """Format an attribute of an image: as `format_value`, but `never` for no last use and no expiry."""
    return "never" if value is None and name in _TIMES[2:] else format_value(value, now=now)


def image_table(image: Any, *, now: datetime | None = None) -> Table:
    """Return every attribute of an image, one a row.

    Args:
        image: anything with the attributes of an image.
        now: what ages are counted from; by default the current time.
    """
    now = now or datetime.now(UTC)
    source = image.update_source
    rows = (
        ("fingerprint", sanitize(image.fingerprint)),
        ("aliases", format_value([alias.name for alias in image.aliases])),
        *((name, format_value(getattr(image, name))) for name in ("project", "type", "architecture", "filename")),
        ("size", f"{formats.size(image.size)} ({image.size:,} bytes)"),
        ("public", _exposed(image)),
        *((name, badge(format_value(getattr(image, name)))) for name in ("auto_update", "cached")),
        *((name, badge(format_attribute(name, getattr(image, name), now=now))) for name in _TIMES[:3]),
        ("expires_at", _expiry(image, now)),
        ("profiles", format_value(image.profiles)),
        ("source", "" if source is None else f"{source.server} {source.protocol} {source.alias}"),
        *((f"properties.{sanitize(key, 60)}", sanitize(v)) for key, v in sorted(image.properties.items())[:100]),
    )
    dates = {name: formats.timestamp(moment) for name in _TIMES if (moment := getattr(image, name)) is not None}
    tooltips = tuple(("", dates.get(name, "")) for name, _ in rows)
    return Table(("", ""), rows, f"image {short_fingerprint(image.fingerprint)}", tooltips=tooltips)


def images_table(images: Sequence[Any], *, now: datetime | None = None, title: str = "") -> Table:
    """Return the first 60 of several images, one a row, with the most important attributes."""
    now = now or datetime.now(UTC)
    headers = (
        "fingerprint",
        "alias",
        "description",
        "architecture",
        "type",
        "size",
        "public",
        "auto_update",
        "uploaded",
    )
    rows = tuple(
        (
            short_fingerprint(image.fingerprint),
            min((alias.name for alias in image.aliases), key=len, default=""),
            image.properties.get("description", ""),
            image.architecture,
            image.type,
            formats.size(image.size),
            _exposed(image),
            badge(format_value(image.auto_update)),
            formats.age(image.uploaded_at, now),
        )
        for image in images[:60]
    )
    left = len(images) - len(rows)
    note = f"and {left:,} more" if left > 0 else ""
    kinds = (Kind.CODE, Kind.TEXT, Kind.TEXT, Kind.LINE, Kind.LINE, Kind.NUMBER, Kind.LINE, Kind.LINE, Kind.LINE)
    return Table(headers, rows, title or formats.plural(len(images), "image"), note, kinds)


def _exposed(image: Any) -> str:
    return Badge("yes", "info") if image.public else badge("no")


def _expiry(image: Any, now: datetime) -> str:
    text = format_attribute("expires_at", image.expires_at, now=now)
    past = image.expires_at is not None and image.expires_at <= now
    return Badge(f"expired {text}", "bad") if past else badge(text)
