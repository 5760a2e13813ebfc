"""What people see: words for numbers, and nothing a server says can act on the terminal or the page."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxdimg_nb.client.files.archive import Member
from lxdimg_nb.client.verbs.read.file_frame import files_frame
from lxdimg_nb.inventory import Fleet, History, frame_from_json
from lxdimg_nb.inventory.frame.inventory_table import inventory_table
from lxdimg_nb.text import display, formats
from lxdimg_nb.text.styled_frame import StyledFrame
from lxdimg_nb.values import (
    Alias,
    Change,
    ImageRecord,
    Operation,
    ServerInfo,
    image_table,
    images_table,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
NASTY = "<script>alert(1)</script>\x1b[31mred\x1b]8;;http://x\x07\u202egnp\u200b'\"&"
RAW: dict[str, Any] = {
    "fingerprint": "ab" * 32,
    "aliases": [{"name": "web"}],
    "architecture": "x86_64",
    "size": 3 * 1024**2,
    "public": True,
    "uploaded_at": "2026-05-29T00:00:00Z",
    "expires_at": "2026-07-05T00:00:00Z",
    "properties": {"os": "Ubuntu", "description": "Ubuntu noble"},
    "update_source": {"server": "https://s", "protocol": "lxd", "alias": "a", "certificate": "PEM"},
}


class Page(HTMLParser):
    """Collects what a browser would find."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data + " "


ALLOWED = {"style", "div", "table", "caption", "thead", "tbody", "tr", "th", "td", "p"}


def assert_harmless(page: str) -> None:
    read = Page(page)
    assert set(read.tags) <= ALLOWED
    assert {name for name, _ in read.attributes} <= {"class", "scope", "title", "colspan"}
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]", page)


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        ("plain", "plain"),
        ("two\r\nlines\tand a tab", "two lines and a tab"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mred", "red"),
        ("\x1bcreset", "reset"),
        ("a\x00b\x07c", "a\ufffdb\ufffdc"),
        ("\u202egnp.exe", "\ufffdgnp.exe"),
        ("a\u200bb\u2066c\ufeffd", "a\ufffdb\ufffdc\ufffdd"),
        ("\ud800", "\ufffd"),
        ("\U000e0041x", "\ufffdx"),
        ("naïve Ключ 日本", "naïve Ключ 日本"),
        (12, "12"),
    ],
)
def test_plain_text_is_one_harmless_line(raw: object, seen: str) -> None:
    assert display.sanitize(raw) == seen


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_plain_text_is_short_printable_and_stable(raw: str, limit: int) -> None:
    seen = display.sanitize(raw, limit)

    assert len(seen) <= limit
    assert "\x1b" not in seen
    assert "\n" not in seen
    assert display.sanitize(seen, limit) == seen


def test_long_text_is_cut_before_it_costs_anything() -> None:
    assert display.sanitize("x" * 10_000_000, 10) == "xxxxxxxxx…"
    assert display.sanitize("\x1b[31m" * 1_000_000, 10).endswith("…")


@given(st.text())
def test_escaped_text_reads_as_the_plain_one_and_opens_no_tag(raw: str) -> None:
    escaped = display.escape(raw)

    assert not set("<>\"'") & set(escaped)
    assert html.unescape(escaped) == display.sanitize(raw)


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (["a", "b"], "a, b"),
        ((), ""),
        ({"k": 1}, "k=1"),
        (datetime(2026, 5, 29, 1, 2, tzinfo=UTC), "2026-05-29 01:02 UTC"),
        (7, "7"),
    ],
)
def test_words_for_values(value: object, seen: str) -> None:
    assert display.format_value(value) == seen


def test_ages_tell_past_from_future() -> None:
    assert formats.age(datetime(2026, 5, 29, tzinfo=UTC), NOW) == "3 days ago"
    assert formats.age(datetime(2026, 7, 5, tzinfo=UTC), NOW) == "in 1 month"
    assert formats.age(None, NOW) == "never"
    assert formats.age(NOW, NOW) == "now"


def test_an_image_is_shown_with_every_attribute_and_no_certificate() -> None:
    seen = str(image_table(ImageRecord.from_json(RAW), now=NOW))

    for part in (
        "ab" * 32,
        "web",
        "3.00 MiB (3,145,728 bytes)",
        "public",
        "3 days ago",
        "in 1 month",
        "https://s lxd a",
    ):
        assert part in seen
    assert "properties.os" in seen
    assert "PEM" not in seen


@dataclass
class Look:
    """Anything with the attributes of an image will do."""

    record: ImageRecord

    def __getattr__(self, name: str) -> Any:
        return getattr(self.record, name)


TABLES = [
    image_table(ImageRecord.from_json(RAW), now=NOW),
    image_table(Look(ImageRecord.from_json(RAW)), now=NOW),
    images_table([ImageRecord.from_json(RAW)] * 3, now=NOW),
    images_table([], now=NOW),
    Alias("web", "words", "ab" * 32, "container").table(),
    Change("ab" * 32, {"public": False}, {"public": True}).table(),
    Change("ab" * 32, {}, {}).table(),
    Operation("1", "task", "Creating", "Running", 103, "", True, {"download_progress": "rootfs: 3%"}, {}).table(),
    Operation("1", "task", "Creating", "Failure", 400, "no room", False, {}, {}).table(),
    ServerInfo("lxd", "5.0.2", "trusted", "default", False, addresses=("127.0.0.1:8443",)).table(),
]


@pytest.mark.parametrize("seen", TABLES)
def test_every_value_has_text_and_harmless_html(seen: display.Table) -> None:
    assert str(seen).strip()
    assert repr(seen) == str(seen)
    assert_harmless(seen.html())
    assert seen._repr_html_() == seen.html()


def test_values_show_themselves() -> None:
    record = ImageRecord.from_json(RAW)
    operation = Operation("1", "task", "Creating", "Failure", 400, "no room", False, {}, {})
    server = ServerInfo("lxd", "5.0.2", "trusted", "default", False)

    assert "properties.os" in record._repr_html_()
    assert "ab" * 6 in Alias("web", "words", "ab" * 32)._repr_html_()
    assert "no room" in operation._repr_html_()
    assert "lxd 5.0.2" in server._repr_html_()
    assert "unchanged" in Change("ab" * 32, {}, {})._repr_html_()


def test_an_unchanged_image_says_so() -> None:
    assert "unchanged" in str(Change("ab" * 32, {}, {}).table())


def test_a_change_shows_before_and_after() -> None:
    seen = Change("ab" * 32, {"public": False}, {"public": True}).table()

    assert seen.rows == (("public", "no", "yes"),)


def test_a_last_use_and_an_expiry_that_are_not_are_never() -> None:
    never = "0001-01-01T00:00:00Z"
    image = ImageRecord.from_json(RAW | {"last_used_at": never, "expires_at": never, "created_at": never})
    change = Change("ab" * 32, {"expires_at": None}, {"expires_at": NOW})

    seen = dict(image_table(image, now=NOW).rows)

    assert (seen["last_used_at"], seen["expires_at"]) == ("never", "never")
    assert seen["created_at"] == ""
    assert change.table().rows[0][1] == "never"


def test_many_images_are_cut_and_counted() -> None:
    seen = str(images_table([ImageRecord.from_json(RAW)] * 100, now=NOW))

    assert "100 images" in seen
    assert "40 more" in seen


def test_hostile_text_neither_acts_nor_hides_anywhere() -> None:
    nasty = ImageRecord.from_json(
        RAW
        | {
            "aliases": [{"name": NASTY, "description": NASTY}],
            "architecture": NASTY,
            "filename": NASTY,
            "type": NASTY,
            "project": NASTY,
            "profiles": [NASTY],
            "properties": {NASTY: NASTY, "description": NASTY},
            "update_source": {"server": NASTY, "protocol": NASTY, "alias": NASTY},
        }
    )
    df = frame_from_json([dict(nasty.raw)], server=NASTY)
    shown = [
        image_table(nasty),
        images_table([nasty]),
        Alias(NASTY, NASTY, NASTY).table(),
        Change(NASTY, {NASTY: NASTY}, {NASTY: NASTY}).table(),
        Operation(NASTY, NASTY, NASTY, NASTY, 400, NASTY, True, {}, {}).table(),
        ServerInfo(NASTY, NASTY, NASTY, NASTY, False, name=NASTY).table(),
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
    assert re.search(r"^abababababab  web +Ubuntu noble +x86_64 +container +3\.00 MiB  yes", seen, re.MULTILINE)
    assert "3 days ago" in seen
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

    assert shown[-2:] == ("support", "supported_until")
    assert pruned[-2:] == ("pruned", "reason")
    assert added[-1] == "owner"
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
    assert "x" * 150 in str(seen)
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


def test_colours_come_from_the_theme_with_a_way_out() -> None:
    page = TABLES[0].html()

    assert "var(--jp-content-font-color1,inherit)" in page
    assert not re.search(r"(?<!-)color:\s*(?:#|white|black)", page)
