"""How frames are shown: in words, and without anything a server could act with."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from lxdimg_nb.client.files.formats.archive import Member
from lxdimg_nb.client.verbs.read.file_frame import files_frame
from lxdimg_nb.inventory import Fleet, History, frame_from_json
from lxdimg_nb.inventory.frame.inventory_table import inventory_table
from lxdimg_nb.text.styled_frame import StyledFrame
from tests.kit.hostile_text import HOSTILE, NASTY, RAW, Page, assert_harmless

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_hostile_text_neither_acts_nor_hides_in_a_frame() -> None:
    df = frame_from_json([HOSTILE], server=NASTY)
    shown = [
        inventory_table(df, title=NASTY),
        inventory_table(df),
        inventory_table(df[["filename", "profiles"]]),
        inventory_table(pd.DataFrame({NASTY: [NASTY]}, index=pd.Index([NASTY], name=NASTY))),
    ]

    for table in shown:
        assert_harmless(table.html())
        assert "\x1b" not in str(table)
        assert "\u202e" not in str(table)
        assert "alert(1)" in Page(table.html()).text


def test_a_frame_reads_well() -> None:
    df = frame_from_json([RAW], server="unix:///s")

    seen = str(inventory_table(df, now=NOW))

    assert "1 image · 3.00 MiB · unix:///s, project default" in seen
    assert re.search(r"^abababababab  web +Ubuntu noble +3\.00 MiB  yes +3 days ago", seen, re.MULTILINE)
    assert re.search(r"\d+ more columns: .*filename", seen)


def test_chosen_columns_are_all_shown() -> None:
    df = frame_from_json([RAW])[["filename", "size", "properties.os", "expires_at"]]

    seen = inventory_table(df, now=NOW)

    assert seen.headers == ("fingerprint", "filename", "size", "properties.os", "expires")
    assert seen.rows == (("abababababab", "", "3.00 MiB", "Ubuntu", "in 1 month"),)


def test_what_a_question_adds_is_shown_with_the_essential_columns() -> None:
    df = frame_from_json([RAW])

    shown = inventory_table(df.lxdimg.eol()).headers
    added = inventory_table(df.assign(owner="anna")).headers
    pruned = inventory_table(frame_from_json([RAW | {"cached": True}]).lxdimg.will_be_pruned()).headers

    # First after the name: it is what was asked for.
    assert shown[:4] == ("fingerprint", "alias", "support", "supported_until")
    assert {*pruned[2:4]} == {"pruned", "reason"}
    assert added[2] == "owner"
    assert not any(name.startswith("properties.") for name in shown)


def test_a_long_frame_shows_both_ends() -> None:
    df = frame_from_json([RAW | {"fingerprint": f"{i:064x}"} for i in range(100)])

    with pd.option_context("display.max_rows", 20, "display.min_rows", 4):
        seen = inventory_table(df)

    assert len(seen.rows) == 4
    assert "4 of 100 rows shown." in str(seen)
    assert "…" in str(seen).splitlines()[4]
    assert 'colspan="' in seen.html()


def test_numbers_that_are_no_sizes_stay_numbers() -> None:
    df = frame_from_json([RAW])

    counts = df.groupby("architecture", observed=True).size().reset_index(name="size")

    assert "1 B" not in inventory_table(counts).html()


def test_answers_that_are_no_images_read_well_too() -> None:
    answer = StyledFrame(
        {
            "bytes": [3 << 20],
            "taken": pd.to_datetime(["2026-05-31T10:11:12Z"]),
            "supported_until": pd.to_datetime(["2027-05-01T00:00:00Z"]),
            "berlin": ["ab" * 32],
            "error": ["x" * 150],
        }
    )

    seen = answer.table()

    assert seen.headers == ("bytes", "taken", "supported_until", "berlin", "error")
    assert seen.rows == (("3.00 MiB", "2026-05-31 10:11 UTC", "2027-05-01", "ab" * 6, "x" * 150),)
    assert repr(answer) == str(seen)
    assert answer._repr_html_() == seen.html()
    assert "x" * 150 in seen.text()
    assert seen.tooltips[0][0] == "3,145,728 bytes"
    assert seen.tooltips[0][3] == "ab" * 32
    assert isinstance(answer[answer["bytes"] > 0], StyledFrame)
    assert answer["bytes"].sum() == 3 << 20


@pytest.mark.parametrize("made", ["drift", "drift of images", "status", "summary", "timeline", "members"])
def test_what_servers_say_is_harmless_in_every_answer(made: str, tmp_path: Path) -> None:
    raw = RAW | {"aliases": [{"name": NASTY}], "properties": {"os": NASTY, "description": NASTY}}
    df = frame_from_json([raw], server=NASTY)
    answers: dict[str, Callable[[], pd.DataFrame]] = {
        "drift": df.lxdimg.drift,
        "drift of images": lambda: df.lxdimg.drift(by="image"),
        "status": Fleet({NASTY: "unix:///nowhere.socket"}).status,
        "summary": df.lxdimg.summary,
        "timeline": lambda: _recorded(df, tmp_path).timeline(NASTY),
        "members": lambda: files_frame([Member(NASTY, "file", 1, 0o644, 0, 0, None, NASTY)]),
    }

    answer = answers[made]()

    assert isinstance(answer, StyledFrame)
    assert_harmless(answer._repr_html_())
    assert not {"\x1b", "\u202e"} & {*repr(answer)}
    assert "alert(1)" in Page(answer._repr_html_()).text


def _recorded(df: pd.DataFrame, folder: Path) -> History:
    history = History(folder)
    history.record(df)
    return history


def test_a_frame_in_a_notebook_is_that_table() -> None:
    df = frame_from_json([RAW])

    assert "abababababab" in repr(df)
    assert "3.00 MiB" in df._repr_html_()
    assert_harmless(df._repr_html_())
    assert pd.DataFrame.__repr__.__module__.startswith("pandas.")
    assert "lxdimg" not in pd.DataFrame({"a": [1]})._repr_html_()
