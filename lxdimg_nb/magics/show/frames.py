"""Frames of aliases, remotes, events, transfers and files. Imported only when needed, because it loads pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from lxdimg_nb.text.styled_frame import StyledFrame, frame_table
from lxdimg_nb.text.tables import Table


class Listing(StyledFrame):
    """A DataFrame that is shown with short fingerprints and sanitized text."""

    def table(self) -> Table:
        shown = frame_table(self, words=False)
        return replace(shown, note=self.attrs["note"]) if self.attrs.get("note") else shown


def listing(index: str, names: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> Listing:
    """Make a frame with a row for each name; text columns have the string dtype, even if empty."""
    made = {
        name: pd.array(list(values), dtype="string") if all(isinstance(v, str) for v in values) else list(values)
        for name, values in columns.items()
    }
    return Listing(made, index=pd.Index(pd.array(list(names), dtype="string"), name=index))
