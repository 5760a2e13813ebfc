"""What verbs return beside images and inventories: texts and small frames, shown with servers' words defused."""

from __future__ import annotations

from typing import Any

from lxdimg_nb.views import escape, plain

__all__ = ["Text"]


class Text(str):
    """A text of several lines: a `str`, shown line by line instead of in quotes."""

    __slots__ = ()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        del cycle
        printer.text("\n".join(plain(line, 2000) for line in self.splitlines()))

    def _repr_html_(self) -> str:
        return "<pre>" + "\n".join(escape(line, 2000) for line in self.splitlines()) + "</pre>"
