"""A name that points at an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lxdimg_nb.text.display import Table, short
from lxdimg_nb.values.json_fields import Json, text

__all__ = ["Alias", "aliases_table"]


@dataclass(frozen=True, slots=True)
class Alias:
    """A name that points at one image, its target, in one project."""

    name: str
    description: str = ""
    target: str = ""
    type: str = ""

    @classmethod
    def from_json(cls, data: Json) -> Alias:
        """From an entry of GET /1.0/images/aliases, or of an image's `aliases` (which has no target)."""
        return cls(
            text(data.get("name")),
            text(data.get("description")),
            text(data.get("target")),
            text(data.get("type")),
        )

    def _repr_html_(self) -> str:
        return aliases_table([self]).html()


def aliases_table(aliases: Sequence[Alias], title: str = "") -> Table:
    """Aliases as a table, one a row."""
    rows = tuple((a.name, short(a.target), a.type, a.description) for a in aliases)
    return Table(("alias", "target", "type", "description"), rows, title, code=frozenset({1}))
