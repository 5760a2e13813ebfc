"""Generated files of a history, and frames as people read them from files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import strategies as st

from lxdimg_nb.inventory import History, plan
from tests.kit import inventories
from tests.kit.fuzz import fuzz, mutated

pytestmark = pytest.mark.slow


def _recorded() -> dict[str, bytes]:
    """The files of a history with one record."""
    with tempfile.TemporaryDirectory() as folder:
        frame = inventories.inventory(inventories.image(1), inventories.image(2))
        History(folder).record(frame)
        return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


_FILES = _recorded()
_CHANGES = st.sampled_from(sorted(_FILES)).flatmap(lambda name: st.tuples(st.just(name), mutated([_FILES[name]])))


@fuzz("history files", _CHANGES)
def test_a_history(change: tuple[str, bytes]) -> None:
    name, content = change
    with tempfile.TemporaryDirectory() as folder:
        for path, written in (_FILES | {name: content}).items():
            (Path(folder) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / path).write_bytes(written)
        history = History(folder)

        assert len(history.records()) == 1
        assert repr(history.at())
        assert len(history.timeline()) == 1


_ODD: list[Any] = [None, "", "x", 0, -1, 1.5, True, pd.NaT, pd.NA, "2026-01-31", [], ["a"], {}]
_EDITS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 100)), max_size=4)


@fuzz("frames from files", _EDITS, quick=60)
def test_a_frame_from_a_file(edits: list[tuple[int, int]]) -> None:
    """Columns were dropped or hold something else: a plan is right, or says what is missing."""
    frame = pd.DataFrame(inventories.inventory(*(inventories.image(i) for i in range(3))))
    for where, what in edits:
        name = frame.columns[where % len(frame.columns)]
        if what % 3 == 0:
            frame = frame.drop(columns=name)
        elif what % 3 == 1:
            frame[name] = [_ODD[what % len(_ODD)]] * len(frame)
        else:
            frame = frame.set_axis([*frame.columns[1:], "other"], axis=1)

    made = plan.prune(frame, keep_last=1, older_than="1d", keep=["used"])
    assert repr(made)
    assert len(made.actions) <= 3
    assert repr(plan.set(frame, public=False))
