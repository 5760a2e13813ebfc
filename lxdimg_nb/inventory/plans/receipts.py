"""What became of the steps of a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from lxdimg_nb.inventory.frame.column_builders import text_array
from lxdimg_nb.inventory.plans.step import Step
from lxdimg_nb.text.display import sanitize
from lxdimg_nb.text.styled_frame import StyledFrame, frame_table
from lxdimg_nb.text.tables import Table

__all__ = ["Outcome", "Receipts"]

STATES = ("done", "skipped", "failed", "not tried")


class Outcome(NamedTuple):
    """The state of one step, and what happened, why it was skipped or what failed."""

    step: Step
    state: str
    detail: str


class Receipts(StyledFrame):
    """A row a step, in the order they were applied."""

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Receipts:
        """Make receipts of outcomes."""
        texts = ("server", "project", "fingerprint", "alias", "action")
        return cls(
            {
                **{name: text_array([getattr(o.step, name) for o in outcomes]) for name in texts},
                "state": pd.Categorical([o.state for o in outcomes], categories=list(STATES)),
                "detail": text_array([sanitize(o.detail, 500) for o in outcomes]),
                "size": pd.Series([o.step.size for o in outcomes], dtype="int64"),
            }
        )

    @property
    def summary(self) -> str:
        """How many steps of each state."""
        counts = Counter(self["state"].tolist())
        return ", ".join(f"{counts[state]:,} {state}" for state in STATES if counts[state]) or "nothing was to do"

    def table(self) -> Table:
        names = list(self.columns)
        if not {"state", "detail", "action", "server", "project"} <= {*names}:
            return frame_table(self)
        # The place of all steps stands in the title.
        places = self[["server", "project"]].drop_duplicates().values.tolist()
        where = [f"{server}, project {project}" for server, project in places] if len(places) == 1 else []
        order = ["fingerprint", "alias", "state", "detail", "action", "size", *([] if where else ["server", "project"])]
        columns = [names.index(name) for name in order if name in names]
        shown = frame_table(self, title=" · ".join([self.summary, *where]), columns=columns)
        # What was to be done stands out less than what became of it.
        at = shown.headers.index("action")
        rows = tuple((*row[:at], str(row[at]), *row[at + 1 :]) for row in shown.rows)
        return replace(shown, rows=rows, hidden=() if where else shown.hidden)
