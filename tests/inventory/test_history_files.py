"""A history on disk: files that others read as they stand, and that a crash does not harm."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory import History, InventoryFrame
from tests.kit.inventories import NOW, SERVER, fingerprint, image, inventory

ROOT = Path(__file__).parents[2]


def day(n: int, *images: dict[str, Any], **options: Any) -> InventoryFrame:
    """The inventory `n` days after `NOW`."""
    return inventory(*images, taken_at=NOW + timedelta(days=n), **options)


def test_files_are_partitioned_by_day_and_read_by_pandas_as_they_stand(tmp_path: Path) -> None:
    history = History(tmp_path)
    for n in range(2):
        history.record(day(n, image(0, names=["web"]), image(n + 1, properties={f"k{n}": "v"})))

    df = pd.read_parquet(tmp_path)

    assert sorted(p.name for p in tmp_path.iterdir()) == ["_history.json", "day=2026-06-01", "day=2026-06-02"]
    assert len(df) == 4
    assert df.groupby("day", observed=True)["size"].sum().to_dict() == {"2026-06-01": 200, "2026-06-02": 200}
    assert dict(df["properties"].iloc[1]) == {"k0": "v"}
    assert repr(history) == f"<History {tmp_path}: 2 records>"


def test_duckdb_reads_it_as_it_stands(tmp_path: Path) -> None:
    import duckdb

    history = History(tmp_path)
    for n in range(2):
        history.record(day(n, image(0, names=["web", "www"]), image(n + 1, properties={f"k{n}": "v"})))

    images = duckdb.read_parquet(f"{tmp_path}/**/*.parquet", hive_partitioning=True)
    rows = images.aggregate("day, count(*), sum(size), max(properties['k1'])").order("day").fetchall()
    aliases = images.project("unnest(aliases) as a").distinct().order("a").fetchall()

    assert rows == [(date(2026, 6, 1), 2, 200, None), (date(2026, 6, 2), 2, 200, "v")]
    assert aliases == [("web",), ("www",)]


# Dask 2026.8 uses what pandas 3.1 is about to take away, when it reads Parquet: not ours to change.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index is deprecated:DeprecationWarning")
def test_dask_reads_it_as_it_stands(tmp_path: Path) -> None:
    import dask.dataframe as dd

    history = History(tmp_path)
    for n in range(3):
        history.record(day(n, image(0), image(n + 1, size=n)))

    df = dd.read_parquet(str(tmp_path))

    assert df.npartitions == 3
    assert df["size"].sum().compute() == 303
    assert df.groupby("server")["size"].count().compute().to_dict() == {SERVER: 6}


@pytest.mark.parametrize("step", ["write", "fsync", "rename"])
def test_a_crash_while_recording_loses_nothing_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    history = History(tmp_path)
    history.record(day(0, image(0)))

    def crash(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if step == "write":
            patch.setattr("pyarrow.parquet.write_table", crash)
        elif step == "fsync":
            patch.setattr(os, "fsync", crash)
        else:
            patch.setattr(Path, "rename", crash)
        with pytest.raises(KeyboardInterrupt):
            history.record(day(1, image(1)))

    again = History(tmp_path)
    assert [r.images for r in again.records()] == [1]
    assert again.at().index.get_level_values("fingerprint").tolist() == [fingerprint(0)]
    assert len(pd.read_parquet(tmp_path)) == 1
    again.record(day(1, image(1)))
    assert len(again.records()) == 2


@pytest.mark.parametrize("folder", ["/proc/self/net/history", "/dev/null/history", "/proc/self/status/a/b"])
def test_a_folder_that_cannot_be_written_is_one_clear_error(folder: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        History(folder).record(day(0, image(0)))

    assert "\n" not in str(caught.value)
    assert folder in str(caught.value)


def test_a_full_disk_is_one_clear_error_and_loses_nothing(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.record(day(0, image(0)))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(InvalidRequestError, match="nothing was recorded"):
            history.record(day(1, image(1)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert len(History(tmp_path).records()) == 1
    assert not [*tmp_path.rglob("*.part")]


def test_a_draft_left_by_a_power_cut_is_not_seen(tmp_path: Path) -> None:
    history = History(tmp_path)
    record = history.record(day(0, image(0)))
    (record.path.parent / f".{record.path.name}.part").write_bytes(b"PAR1 half")

    assert len(History(tmp_path).records()) == 1
    assert len(pd.read_parquet(tmp_path)) == 1


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda p: (p / "_history.json").write_text('{"format": 2}'), "format 2, this package writes 1"),
        (lambda p: (p / "_history.json").write_text("{"), "does not say which history"),
        (lambda p: (p / "_history.json").unlink(), "something else than a history"),
    ],
)
def test_another_history_is_one_clear_error_and_is_not_touched(
    tmp_path: Path, spoil: Callable[[Path], object], says: str
) -> None:
    history = History(tmp_path)
    history.record(day(0, image(0)))
    spoil(tmp_path)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

    with pytest.raises(InvalidRequestError, match=says):
        History(tmp_path)
    if (tmp_path / "_history.json").exists():
        with pytest.raises(InvalidRequestError, match=says):
            history.record(day(1))

    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")

    with pytest.raises(InvalidRequestError, match="something else"):
        History(tmp_path)
    with pytest.raises(InvalidRequestError, match="is a file"):
        History(tmp_path / "thesis.txt")


def test_a_broken_record_is_named(tmp_path: Path) -> None:
    history = History(tmp_path)
    record = history.record(day(0, image(0)))
    record.path.write_bytes(b"nonsense")

    with pytest.raises(InvalidRequestError, match=record.path.name):
        History(tmp_path).records()


RECORD_AND_HALT = """
import os, sys
from tests.kit.inventories import image, inventory
from lxdimg_nb.inventory import History
halt_at, sync = int(sys.argv[2]), os.fsync

def halt(handle):
    global halt_at
    sync(handle)
    halt_at -= 1
    if halt_at == 0:
        print("halfway", flush=True)
        sys.stdin.read()

os.fsync = halt
History(sys.argv[1]).record(inventory(image(7), image(8)))
print("done", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("step", range(1, 6))
@pytest.mark.parametrize("before", [0, 1], ids=["first record", "later record"])
def test_a_process_killed_while_recording_leaves_a_history(tmp_path: Path, before: int, step: int) -> None:
    folder = tmp_path / "h"
    for n in range(before):
        History(folder).record(day(-1 - n, image(0)))
    command = [sys.executable, "-c", RECORD_AND_HALT, str(folder), str(step)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
        assert writer.stdout is not None
        reached = writer.stdout.readline().strip()
        writer.send_signal(signal.SIGKILL)

    history = History(folder)
    kept = [record.images for record in history.records()]
    history.record(day(1, image(1)))

    # A later record has fewer files and folders to make, so it may be over before that step.
    assert reached == "halfway" or (before and step > 3)
    assert kept in ([1] * before, [*[1] * before, 2])
    assert kept[before:] == [2] or reached == "halfway"
    assert len(history.at()) == 1
    assert len(pd.read_parquet(folder)) == sum(kept) + 1


def test_the_marker_says_what_the_folder_is(tmp_path: Path) -> None:
    History(tmp_path).record(day(0))

    assert json.loads((tmp_path / "_history.json").read_text())["format"] == 1
