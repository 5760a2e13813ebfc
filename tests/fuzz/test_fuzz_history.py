"""Generated files of a history: changed Parquet, and a changed marker."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import strategies as st

from lxdimg_nb.inventory import History
from tests.kit import inventories
from tests.kit.fuzz import fuzz, mutated


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
