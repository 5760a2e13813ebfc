"""The columns that a list of images can show: title, cell text, sort key and tooltip of each."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lxdimg_nb.panels.image.image_row import Row, alias_names, main_alias, property_of
from lxdimg_nb.text import display, formats
from lxdimg_nb.values import parse_time

__all__ = ["COLUMNS", "DEFAULT_COLUMNS", "Column"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        cell: returns the text of a row, given the current time.
        kind: how cells are drawn: `text`, `number`, `code`, `flag` or `time`.
        hint: returns the tooltip of a row.
        descending_first: whether the first click sorts in descending order.
    """

    title: str
    cell: Callable[[Row, datetime], str]
    sort_key: Callable[[Row], Any]
    kind: str = "text"
    hint: Callable[[Row], str] | None = None
    descending_first: bool = False


_DIGITS = re.compile(r"(\d+)")


def _natural_key(text: str) -> str:
    """Return a sort key for a text: 9 comes before 10, and empty comes last."""
    parts = _DIGITS.split(text.casefold()[:200])
    parts[1::2] = [number.rjust(12, "0") for number in parts[1::2]]
    return "".join(parts) or "\uffff"


def _aliases(row: Row, _: datetime) -> str:
    count = len(alias_names(row.record))
    more = f" (+{count - 1})" if count > 1 else ""
    return display.sanitize(main_alias(row.record), 80) + more


def _time_key(value: Any) -> str:
    """Return a sort key for a server's time; never comes first."""
    if isinstance(value, str) and value[-1:] == "Z" and value > "1971":
        return value[:-1]
    moment = parse_time(value)
    return moment.isoformat()[:-6] if moment else ""


def _time(name: str, title: str) -> Column:
    def read(row: Row) -> datetime | None:
        value: datetime | None = getattr(row.record, name)
        return value

    return Column(
        title,
        lambda row, now: formats.age(read(row), now),
        lambda row: _time_key(row.record.raw.get(name)),
        "time",
        lambda row: formats.timestamp(read(row)),
        descending_first=True,
    )


def _flag(name: str, title: str) -> Column:
    return Column(
        title,
        lambda row, _: "yes" if getattr(row.record, name) else "no",
        lambda row: not getattr(row.record, name),
        "flag",
    )


def _text(title: str, read: Callable[[Row], str], kind: str = "text") -> Column:
    return Column(title, lambda row, _: display.sanitize(read(row), 120), lambda row: _natural_key(read(row)), kind)


def _property(name: str, title: str) -> Column:
    return _text(title, lambda row: property_of(row.record, name))


def _source(row: Row) -> str:
    source = row.record.update_source
    return f"{source.server} {source.alias}".strip() if source else ""


COLUMNS: dict[str, Column] = {
    "server": _text("Server", lambda row: row.server),
    "alias": Column(
        "Alias",
        _aliases,
        lambda row: _natural_key(main_alias(row.record)),
        hint=lambda row: display.format_value(alias_names(row.record), limit=400),
    ),
    "fingerprint": Column(
        "Fingerprint", lambda row, _: row.record.fingerprint[:12], lambda row: row.record.fingerprint, "code"
    ),
    "public": _flag("public", "Public"),
    "description": _property("description", "Description"),
    "architecture": _text("Arch", lambda row: row.record.architecture),
    "type": _text("Type", lambda row: "VM" if row.record.type == "virtual-machine" else row.record.type),
    "size": Column(
        "Size",
        lambda row, _: formats.size(row.record.size),
        lambda row: row.record.size,
        "number",
        lambda row: f"{row.record.size:,} bytes",
        descending_first=True,
    ),
    "uploaded": _time("uploaded_at", "Uploaded"),
    "used": _time("last_used_at", "Used"),
    "created": _time("created_at", "Built"),
    "expires": _time("expires_at", "Expires"),
    "auto_update": _flag("auto_update", "Auto-update"),
    "cached": _flag("cached", "Cached"),
    "source": _text("Source", _source),
    "project": _text("Project", lambda row: row.record.project),
    "profiles": _text("Profiles", lambda row: ", ".join(row.record.profiles)),
    "filename": _text("File name", lambda row: row.record.filename),
    "os": _property("os", "OS"),
    "release": _property("release", "Release"),
}
DEFAULT_COLUMNS = ("alias", "fingerprint", "public", "description", "architecture", "type", "size", "uploaded")
