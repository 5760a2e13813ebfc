"""Frames of aliases, remotes, events, transfers and files. Imported only when one is made, because it loads pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from lxdimg_nb.inventory.frame.frame_table import frame_table
from lxdimg_nb.text.styled_frame import Looks
from lxdimg_nb.text.display import Table
from lxdimg_nb.values import FINGERPRINT


class Listing(Looks):
    """A DataFrame that is shown with short fingerprints and without control characters of servers."""

    def __repr__(self) -> str:
        return str(self._table())

    def _repr_html_(self) -> str:
        return self._table().html()

    def _table(self) -> Table:
        shown = pd.DataFrame(self)
        for name in shown.columns:
            if pd.api.types.is_string_dtype(shown[name]):
                shown = shown.assign(**{str(name): shown[name].map(_short, na_action="ignore")})
        return replace(frame_table(shown), note=self.attrs["note"]) if self.attrs.get("note") else frame_table(shown)


def _short(value: object) -> object:
    return value[:12] if isinstance(value, str) and FINGERPRINT.match(value) else value


def listing(index: str, names: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> Listing:
    """A frame with a row for each name; columns of text have the string dtype, even when empty."""
    made = {
        name: pd.array(list(values), dtype="string") if all(isinstance(v, str) for v in values) else list(values)
        for name, values in columns.items()
    }
    return Listing(made, index=pd.Index(pd.array(list(names), dtype="string"), name=index))
