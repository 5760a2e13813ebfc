"""What became of the steps of a plan."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lxdimg_nb.inventory.frame.column_kinds import text_array
from lxdimg_nb.text import display
from lxdimg_nb.text.styled_frame import StyledFrame, frame_table

__all__ = ["STATES", "Receipt", "Receipts"]

STATES = ("done", "skipped", "failed", "not tried")


@dataclass(frozen=True, slots=True)
class Receipt:
    """One step: its state, and what happened, why it was skipped or what failed."""

    server: str
    project: str
    fingerprint: str
    alias: str
    action: str
    state: str
    detail: str = ""
    size: int = 0


class Receipts(StyledFrame):
    """A row a step, in the order they were done; in words when shown, otherwise a DataFrame."""

    @classmethod
    def of(cls, receipts: list[Receipt]) -> Receipts:
        """From receipts."""
        texts = ("server", "project", "fingerprint", "alias", "action")
        columns: dict[str, Any] = {name: text_array([getattr(r, name) for r in receipts]) for name in texts}
        columns["state"] = pd.Categorical([r.state for r in receipts], categories=list(STATES))
        columns["detail"] = text_array([r.detail for r in receipts])
        columns["size"] = pd.array([r.size for r in receipts], dtype="int64").to_numpy()
        return cls(columns)

    @property
    def summary(self) -> str:
        """How many of each."""
        counts = Counter(self["state"].tolist())
        return ", ".join(f"{counts[state]:,} {state}" for state in STATES if counts[state]) or "nothing was to do"

    def table(self) -> display.Table:
        """The receipts in words."""
        return frame_table(self, title=self.summary if "state" in self.columns else "")
