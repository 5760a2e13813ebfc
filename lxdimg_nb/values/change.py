"""The result of a write to an image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lxdimg_nb.text.display import sanitize
from lxdimg_nb.text.tables import Table
from lxdimg_nb.values.fingerprint import short_fingerprint
from lxdimg_nb.values.image_table import format_attribute

__all__ = ["Change"]

MAX_ROWS = 100


@dataclass(frozen=True, slots=True, repr=False)
class Change:
    """The fields that a write changed, with their values before and after; false if nothing changed."""

    fingerprint: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    def __bool__(self) -> bool:
        return bool(self.after)

    def __repr__(self) -> str:
        return f"<Change {self}>"

    def __str__(self) -> str:
        return f"{short_fingerprint(self.fingerprint)}: {', '.join(self.lines()) or 'unchanged'}"

    def lines(self) -> list[str]:
        """`public no → yes` for each changed field, properties one by one; the first 100."""
        rows, more = self._shown()
        return [*(f"{name} {before} → {after}" for name, before, after in rows), *([more] if more else [])]

    def table(self) -> Table:
        """A row for each changed field, properties one by one; the first 100."""
        rows, more = self._shown()
        note = more if rows else "unchanged"
        return Table(("field", "before", "after"), rows, f"image {short_fingerprint(self.fingerprint)}", note)

    def _repr_html_(self) -> str:
        return self.table().html()

    def _shown(self) -> tuple[tuple[tuple[str, str, str], ...], str]:
        fields = list(self._fields())
        shown = ((label, _text(name, old), _text(name, new)) for label, name, old, new in fields[:MAX_ROWS])
        more = len(fields) - MAX_ROWS
        return tuple(shown), f"and {more:,} more" if more > 0 else ""

    def _fields(self) -> Iterator[tuple[str, str, Any, Any]]:
        """For each changed field its label, its name, and its values."""
        for name, after in self.after.items():
            before = self.before.get(name)
            if isinstance(before, Mapping) and isinstance(after, Mapping):
                for key in sorted(key for key in {*before, *after} if before.get(key) != after.get(key)):
                    yield f"{name}.{sanitize(key)}", key, before.get(key), after.get(key)
            else:
                yield name, name, before, after


def _text(name: str, value: object) -> str:
    return format_attribute(name, value) or "none"
