"""Aliases: names that point at images."""

from __future__ import annotations

from dataclasses import dataclass

from lxdimg_nb.errors import UnexpectedReplyError
from lxdimg_nb.text.cells import Kind
from lxdimg_nb.text.tables import ShownAsTable, Table
from lxdimg_nb.values.fingerprint import short_fingerprint
from lxdimg_nb.values.json_fields import string

__all__ = ["Alias"]


@dataclass(frozen=True, slots=True)
class Alias(ShownAsTable):
    """A name in a project that points at one image, its target."""

    name: str
    description: str = ""
    target: str = ""
    type: str = ""

    @classmethod
    def from_json(cls, data: object) -> Alias:
        """Make an alias of an entry of GET /1.0/images/aliases.

        Raises:
            UnexpectedReplyError: it is not an object with a name.
        """
        if not isinstance(data, dict) or not string(data.get("name")):
            raise UnexpectedReplyError("the server sent an alias without a name; is it LXD or Incus?")
        return cls(
            string(data.get("name")),
            string(data.get("description")),
            string(data.get("target")),
            string(data.get("type")),
        )

    def table(self) -> Table:
        """The alias as a table of one row."""
        row = (self.name, short_fingerprint(self.target), self.type, self.description)
        return Table(
            ("alias", "target", "type", "description"), (row,), kinds=(Kind.TEXT, Kind.CODE, Kind.LINE, Kind.PROSE)
        )
