"""Strings, images and preflights as verbs return them: shown in full, and sanitized."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from lxdimg_nb.client import Image
from lxdimg_nb.client.verbs.write.check import Preflight
from lxdimg_nb.magics.session.messages import in_verbs
from lxdimg_nb.text.display import escape, sanitize
from lxdimg_nb.text.tables import Table
from lxdimg_nb.values import image_table

MAX_LINES = 20_000


class Text(str):
    """A `str` that is shown line by line instead of as a literal: the first 20,000 lines."""

    __slots__ = ()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        del cycle
        printer.text("\n".join(self._shown(sanitize)))

    def _repr_html_(self) -> str:
        return "<pre>" + "\n".join(self._shown(escape)) + "</pre>"

    def _shown(self, safe: Callable[[object, int], str]) -> list[str]:
        lines = self.splitlines()
        more = len(lines) - MAX_LINES
        rest = [f"… and {more:,} more lines: the value has all"] if more > 0 else []
        return [*(safe(line, 2000) for line in lines[:MAX_LINES]), *rest]


class ShownImage(Image):
    """An `Image` that is shown with every attribute; in a list it is shown on one line."""

    __slots__ = ()

    @classmethod
    def of(cls, image: Image) -> ShownImage:
        """The same image."""
        return cls(image.record, image.server_project)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        del cycle
        printer.text(str(image_table(self)) if len(printer.stack) <= 1 else repr(self))

    def _repr_html_(self) -> str:
        return image_table(self).html()


class Check(Preflight):
    """A `Preflight` that is shown as a table."""

    __slots__ = ()

    @classmethod
    def of(cls, found: Preflight) -> Check:
        """The same findings."""
        return cls(**{field.name: getattr(found, field.name) for field in fields(found)})

    def table(self) -> Table:
        """The findings, with advice told in verbs."""
        problems, notes = (tuple(map(in_verbs, texts)) for texts in (self.problems, self.notes))
        return Preflight.table(replace(self, problems=problems, notes=notes))

    def __repr__(self) -> str:
        return str(self.table())
