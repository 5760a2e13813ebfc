"""Clocks that are years off: this machine's, for the package alone, and the dates that a server sends."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import format_datetime
from typing import Any

import pytest

YEARS = timedelta(days=3652)


def set_clock(monkeypatch: pytest.MonkeyPatch, ahead: timedelta) -> None:
    """Let `datetime.now()` in every module of the package be so far ahead."""

    class Kind(type(datetime)):  # type: ignore[misc]
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, datetime)

    class Ahead(datetime, metaclass=Kind):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + ahead

    for name, module in list(sys.modules.items()):
        if name.startswith("lxdimg_nb.") and getattr(module, "datetime", None) is datetime:
            monkeypatch.setattr(module, "datetime", Ahead)


def stamp(moment: datetime) -> str:
    """A time as a server writes it in JSON."""
    return moment.isoformat().replace("+00:00", "Z")


def date_header(ahead: timedelta) -> str:
    """The Date header of a server whose clock is so far ahead."""
    return format_datetime(datetime.now(UTC) + ahead, usegmt=True)
