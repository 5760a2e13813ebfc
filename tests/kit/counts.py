"""Counts of a test run: inputs tried, faults survived, things lost; one table at the end, also of parallel workers.

A test calls `count`; `tests/conftest.py` attaches what was counted to the test's report and prints the table.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

PROPERTY = "counts"

_counted: dict[str, Count] = {}


@dataclass
class Count:
    """What was tried of one kind."""

    inputs: int = 0
    survived: int = 0
    lost: int = 0

    def add(self, inputs: int, survived: int, lost: int) -> None:
        """Add further ones."""
        self.inputs, self.survived, self.lost = self.inputs + inputs, self.survived + survived, self.lost + lost


def long_run() -> bool:
    """Whether this is `tests/run --long`: everything in full, however long it takes."""
    return os.environ.get("LXDIMG_LONG", "") == "1"


def count(kind: str, *, inputs: int = 0, survived: int = 0, lost: int = 0) -> None:
    """Count for the table at the end of the run.

    Args:
        kind: the row, for example `metadata.yaml`.
        inputs: that were tried.
        survived: faults, such as broken connections, after which the outcome was right or absent.
        lost: what was there before and is not any more; anything but 0 is a failure of the test that counts it.
    """
    _counted.setdefault(kind, Count()).add(inputs, survived, lost)


def take() -> list[tuple[str, int, int, int]]:
    """What has been counted since the last call."""
    found = [(kind, one.inputs, one.survived, one.lost) for kind, one in _counted.items()]
    _counted.clear()
    return found


def table(properties: Iterable[tuple[str, Any]]) -> list[str]:
    """The lines of the table, from the user properties of all reports; none when nothing was counted."""
    found: dict[str, Count] = {}
    for name, counted in properties:
        for kind, *numbers in counted if name == PROPERTY else ():
            found.setdefault(kind, Count()).add(*numbers)
    if not found:
        return []
    total = Count()
    for one in found.values():
        total.add(one.inputs, one.survived, one.lost)
    width = max(map(len, found))
    rows = [*sorted(found.items()), ("all", total)]
    lines = [f"{'':{width}}  {'inputs tried':>12}  {'faults survived':>15}  {'things lost':>11}"]
    return [*lines, *(f"{kind:{width}}  {c.inputs:12,}  {c.survived:15,}  {c.lost:11,}" for kind, c in rows)]
