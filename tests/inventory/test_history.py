"""Inventories over time: what was recorded comes back, differences are told, nothing secret is kept."""

from __future__ import annotations

import os
import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lxdimg_nb.errors import InvalidRequestError, NotFoundError
from lxdimg_nb.inventory import History, InventoryFrame, diff
from tests.kit.inventories import NOW, days_ago, fingerprint, image, inventory

KEY = ["server", "project", "fingerprint"]


def day(n: int, *images: dict[str, Any], **options: Any) -> InventoryFrame:
    """The inventory `n` days after `NOW`."""
    return inventory(*images, taken_at=NOW + timedelta(days=n), **options)


def told(changes: pd.DataFrame) -> list[tuple[Any, ...]]:
    """The changes as tuples, images by number."""
    names = {fingerprint(i): i for i in range(9)}
    return [(names[row.fingerprint], row.change, row.field, row.before, row.after) for row in changes.itertuples()]


def test_what_was_recorded_comes_back_with_its_dtypes(tmp_path: Path) -> None:
    source = {"server": "https://s", "protocol": "lxd", "alias": "x", "certificate": "PEM"}
    df = day(
        0,
        image(0, names=["web", "www"], public=True, update_source=source, expires_at="2030-01-02T03:04:05.678901Z"),
        image(1, properties={"os": "Ubuntu", "odd key.with dots": "ä", "note": ""}, filename="f"),
        image(2, project="blue", profiles=[]),
        all_projects=True,
    )
    history = History(tmp_path / "h")

    record = history.record(df)
    back = history.at()

    assert record.images == 3
    assert back.index.names == KEY
    alone = pd.DataFrame(back.droplevel("server"))
    expected = pd.DataFrame(df).sort_index(axis=1)
    pd.testing.assert_frame_equal(alone.sort_index(axis=1), expected)
    assert list(back.columns) == list(df.columns)
    assert back.attrs["taken"] == df.attrs["taken"].replace(".000000", "")


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "size": st.integers(min_value=0, max_value=2**62),
                "public": st.booleans(),
                "properties": st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=3),
                "profiles": st.lists(st.text(max_size=5), max_size=3),
                "filename": st.text(max_size=10),
                "created_at": st.datetimes(min_value=datetime(1971, 1, 1)).map(lambda t: t.isoformat() + "Z"),
            }
        ),
        max_size=4,
    )
)
def test_whatever_a_server_says_survives(tmp_path: Path, fields: list[dict[str, Any]]) -> None:
    history = History(tmp_path / os.urandom(4).hex())
    safe = [f | {"properties": {k: v for k, v in f["properties"].items() if "=" not in v}} for f in fields]
    df = day(0, *(image(i, **f) for i, f in enumerate(safe)), all_projects=True)

    history.record(df)

    assert len(diff(df, history.at().droplevel("server"))) == 0


def test_a_history_remembers_an_empty_server(tmp_path: Path) -> None:
    history = History(tmp_path)

    history.record(day(0, image(0)))
    history.record(day(1))

    assert len(history.at()) == 0
    assert told(history.diff()) == [(0, "removed", "", "", None)]
    assert history.timeline()["images"].tolist() == [1, 0]


@pytest.mark.parametrize(
    "fields",
    [
        {"properties": {"TOKEN": ""}},
        {"properties": {"api-token": "hunter2"}},
        {"properties": {"home": "https://user:hunter2@s/?secret=hunter3"}},
        {"filename": "-----BEGIN PRIVATE KEY-----"},
    ],
)
def test_what_a_history_leaves_out_has_not_changed(tmp_path: Path, fields: dict[str, Any]) -> None:
    history = History(tmp_path)
    now = day(0, image(1, **fields))
    history.record(now)

    assert len(diff(history.at().droplevel("server"), now)) == 0
    assert len(diff(now, history.at().droplevel("server"))) == 0
    assert len(diff(now, day(0, image(1, **fields, size=7)))) == 1


def test_no_secret_certificate_or_token_enters(tmp_path: Path) -> None:
    pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
    df = day(
        0,
        image(
            0,
            update_source={
                "server": "https://user:hunter2@s/?secret=hunter3",
                "protocol": "lxd",
                "alias": "x",
                "certificate": "hunter1",
            },
            properties={
                "api_token": "hunter4",
                "note": "see https://u:hunter5@x/ and token=hunter6",
                "key": pem,
                "os": "Debian",
                "description": f"d {pem}",
            },
            a_future_field="hunter7",
        ),
        extra=True,
        server="https://me:hunter8@host:8443",
    )
    history = History(tmp_path)

    record = history.record(df)

    table = pa.parquet.ParquetFile(record.path).read()
    everything = repr(table.to_pylist()) + repr(table.schema.metadata)
    assert "hunter" not in everything
    assert "MIIB" not in everything
    assert "Debian" in everything
    assert b"hunter" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_at_is_the_last_known_state_of_each_server(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.record(day(0, image(0), server="a"))
    history.record(day(1, image(1), server="b"))
    history.record(day(2, image(2), server="a"))

    def known(moment: Any) -> list[tuple[str, int]]:
        names = {fingerprint(i): i for i in range(9)}
        return sorted((s, names[f]) for s, _, f in history.at(moment).index)

    assert known(None) == [("a", 2), ("b", 1)]
    assert known(NOW + timedelta(days=1, hours=1)) == [("a", 0), ("b", 1)]
    assert known("2026-06-01") == [("a", 0)]
    assert known(date(2026, 6, 3)) == [("a", 2), ("b", 1)]
    assert history.at("2026-06-03T00:00:00Z")["architecture"].dtype == "category"
    with pytest.raises(NotFoundError, match="no record until 2026-05-31"):
        history.at("2026-05-31")
    with pytest.raises(InvalidRequestError, match="no time"):
        history.at("yesterday")


def test_a_project_recorded_alone_replaces_that_project_only(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.record(day(0, image(0, project="blue"), image(1, project="red"), all_projects=True))
    history.record(day(1, image(2, project="blue"), project="blue"))

    assert sorted(p for _, p, _ in history.at().index) == ["blue", "red"]
    assert fingerprint(0) not in history.at().index.get_level_values("fingerprint")


def test_a_diff_tells_added_removed_changed_and_moved_aliases(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.record(day(0, image(0, names=["web", "old"]), image(1, size=5, profiles=["a", "b"]), image(2)))
    history.record(
        day(
            1,
            image(0),
            image(
                1, size=6, profiles=["b", "a"], names=["web"], public=True, properties={"os": "Debian", "serial": "9"}
            ),
            image(3, names=["new"]),
        )
    )

    changes = history.diff()

    assert told(changes) == sorted(
        [
            (0, "alias removed", "old", fingerprint(0), None),
            (1, "changed", "size", 5, 6),
            (1, "changed", "public", False, True),
            (1, "changed", "properties.release", "bookworm", None),
            (1, "changed", "properties.serial", "1", "9"),
            (1, "changed", "properties.variant", "default", None),
            (1, "alias moved", "web", fingerprint(0), fingerprint(1)),
            (2, "removed", "", "", None),
            (3, "added", "", None, "new"),
            (3, "alias added", "new", None, fingerprint(3)),
        ],
        key=lambda t: (
            fingerprint(t[0]),
            ["added", "removed", "changed", "alias added", "alias removed", "alias moved"].index(t[1]),
            t[2],
        ),
    )
    seen = repr(changes)
    assert "1 added, 1 removed, 5 changed, 1 alias added, 1 alias removed, 1 alias moved" in seen
    assert "size" in changes._repr_html_()
    assert "no" in seen
    assert len(history.diff("2026-06-01", "2026-06-01")) == 0
    assert "no change" in repr(history.diff("2026-06-01", "2026-06-01"))


def test_changes_read_well() -> None:
    before = inventory(image(0, names=["web"], last_used_at="0001-01-01T00:00:00Z"))
    after = inventory(image(0, last_used_at=days_ago(1)), image(1, names=["web"]))

    seen = str(diff(before, after))

    assert re.search(r"changed +last_used_at +never +2026-05-31 00:00 UTC", seen)
    assert re.search(f"alias moved +web +{fingerprint(0)[:12]} +{fingerprint(1)[:12]}$", seen, re.MULTILINE)


def test_what_does_not_count_can_be_left_out() -> None:
    before = day(0, image(0))
    after = day(1, image(0, last_used_at="2026-06-01T01:00:00Z"))

    assert told(diff(before, after)) == [(0, "changed", "last_used_at", None, pd.Timestamp("2026-06-01T01:00:00Z"))]
    assert len(diff(before, after, ignore={"last_used_at"})) == 0


def test_a_server_that_did_not_answer_lost_nothing(tmp_path: Path) -> None:
    from lxdimg_nb.inventory.frame.frame import Part, fleet_frame
    from lxdimg_nb.values import ImageRecord

    def fleet(n: int, unanswered: list[str]) -> InventoryFrame:
        rows = {"a": [ImageRecord.from_json(image(0))], "b": [ImageRecord.from_json(image(1))]}
        parts = [Part(name, [] if name in unanswered else records) for name, records in rows.items()]
        attrs = {
            "servers": {name: {} if name in unanswered else {"project": "default"} for name in rows},
            "unanswered": unanswered,
            "project": "",
            "taken": (NOW + timedelta(days=n)).isoformat(),
        }
        return fleet_frame(parts, attrs=attrs)

    history = History(tmp_path)
    whole, half = fleet(0, []), fleet(1, ["b"])
    history.record(whole)
    history.record(half)

    assert len(history.diff()) == 0
    assert len(diff(whole, half)) == 0
    assert sorted({s for s, _, _ in history.at().index}) == ["a", "b"]


def test_a_server_that_was_first_recorded_later_added_nothing(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.record(day(0, image(0), server="a"))
    history.record(day(1, image(1), server="b"))

    assert len(history.diff()) == 0


def test_a_timeline_counts_and_follows_one_name(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.record(day(0, image(0, names=["web"], size=10)))
    history.record(day(1, image(0, names=["web"], size=10), image(1, size=5, public=True)))
    history.record(day(2, image(0, size=10), image(1, names=["web"], size=6)))

    line = history.timeline()

    assert line.index.tolist() == [pd.Timestamp(NOW + timedelta(days=n)) for n in range(3)]
    assert line["images"].tolist() == [1, 2, 2]
    assert line["bytes"].tolist() == [10, 15, 16]
    assert line["public"].tolist() == [0, 1, 0]
    assert line[["added", "removed", "changed"]].to_numpy().tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 2]]
    web = history.timeline("web")
    assert web["change"].tolist() == ["alias added", "alias moved"]
    assert len(history.timeline("size")) == 0
    assert web["after"].tolist() == [fingerprint(0), fingerprint(1)]
    assert set(history.timeline(fingerprint(1)[:12])["field"].dropna()) >= {"size", "public"}
    assert len(History(tmp_path / "none").timeline()) == 0
    assert len(History(tmp_path / "none").timeline("web")) == 0


def test_only_whole_inventories_are_kept(tmp_path: Path) -> None:
    history = History(tmp_path / "h")
    df = day(0, image(0), image(1, public=True))

    for part, says in (
        (df[df["public"]], "a part of an inventory"),
        (df[["size", "alias"]], "whole frames"),
        (pd.DataFrame({"a": [1]}), "keeps frames of"),
    ):
        with pytest.raises(InvalidRequestError, match=says):
            history.record(part)

    assert not (tmp_path / "h").exists()


def test_a_difference_needs_two_records(tmp_path: Path) -> None:
    history = History(tmp_path)
    with pytest.raises(NotFoundError, match="0 records"):
        history.diff()
    with pytest.raises(NotFoundError, match="no record"):
        history.at()


def test_records_are_moments_too(tmp_path: Path) -> None:
    history = History(tmp_path)
    records = [history.record(day(n, *map(image, range(n + 1)))) for n in range(3)]

    assert told(history.diff(records[0], records[2])) == told(history.diff(NOW, NOW + timedelta(days=2)))
    assert len(history.at(records[1])) == 2
    for wrong in (5, b"2026-06-01"):
        with pytest.raises(InvalidRequestError, match="is no time"):
            history.at(wrong)  # type: ignore[arg-type]
