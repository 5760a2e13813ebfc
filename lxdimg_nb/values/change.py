"""What a write did to an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lxdimg_nb.text.display import Table, field, short

__all__ = ["Change", "changes_table"]


@dataclass(frozen=True, slots=True)
class Change:
    """What a write did: each field's value before and after."""

    fingerprint: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    def __bool__(self) -> bool:
        return bool(self.after)

    def __str__(self) -> str:
        if not self.after:
            return f"{self.fingerprint[:12]}: unchanged"
        return f"{self.fingerprint[:12]}: " + ", ".join(
            f"{name} {_word(old)} → {_word(new)}" for name, old, new in self.steps()
        )

    def steps(self) -> list[tuple[str, Any, Any]]:
        """Each thing that changed with its value before and after; of the properties only those that differ."""
        found: list[tuple[str, Any, Any]] = []
        for name, new in self.after.items():
            old = self.before.get(name)
            if name != "properties" or not isinstance(old, dict) or not isinstance(new, dict):
                found.append((name, old, new))
                continue
            keys = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
            found += [(f"properties.{key}", old.get(key), new.get(key)) for key in keys]
        return found

    def table(self, title: str = "") -> Table:
        """A row for each field that changed."""
        rows = tuple((n, field(n, self.before.get(n)), field(n, value)) for n, value in self.after.items())
        note = "" if rows else "unchanged"
        return Table(("field", "before", "after"), rows, title or f"image {short(self.fingerprint)}", note)

    def _repr_html_(self) -> str:
        return self.table().html()


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    said = value.isoformat() if isinstance(value, datetime) else str(value)
    # Values come from servers: what steers a terminal or turns the line around is shown as a blot.
    return "".join(c if c.isprintable() else "�" for c in said[:200])


def changes_table(changes: Sequence[Change], title: str = "") -> Table:
    """Several changes as a table, a row for each changed field."""
    rows = tuple(
        (short(c.fingerprint), n, field(n, c.before.get(n)), field(n, v)) for c in changes for n, v in c.after.items()
    )
    return Table(("fingerprint", "field", "before", "after"), rows, title, code=frozenset({0}))
