"""One design for all tables, as text in a terminal and as HTML."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from unicodedata import combining, east_asian_width

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lxdimg_nb.text.cells import Badge, Kind, badge
from lxdimg_nb.text.column_formats import column_format
from lxdimg_nb.text.tables import Table
from tests.kit.hostile_text import NASTY, Page, assert_harmless

NOW = datetime(2026, 6, 1, tzinfo=UTC)
REASON = "build 3 of 5 of its product, newest first, and neither used by an instance nor within 30 days"
PLAN = Table(
    ("action", "fingerprint", "alias", "reason", "size"),
    (
        (badge("delete"), "ab" * 6, "web-" + "a" * 90, REASON, "3.00 MiB"),
        (badge("keep"), "cd" * 6, "", "has an alias", "859 B"),
    ),
    "prune: 1 image to delete",
    kinds=(Kind.LINE, Kind.CODE, Kind.TEXT, Kind.PROSE, Kind.NUMBER),
)


def test_a_table_is_harmless_as_text_and_as_html() -> None:
    for kind in Kind:
        rows = ((NASTY,), (Badge(NASTY, "bad"),))
        table = Table((NASTY,), rows, NASTY, NASTY, (kind,), tooltips=((NASTY,), (NASTY,)), hidden=(NASTY,))

        assert_harmless(table.html())
        assert not {"\x1b", "\u202e"} & {*str(table), *table.text()}
        assert "alert(1)" in Page(table.html()).text


def test_a_table_is_cut_to_a_size() -> None:
    table = Table(("name",), tuple((f"image {n}",) for n in range(1000)))

    shorter = table.truncated(10_000)

    assert len((str(shorter) + shorter.html()).encode()) <= 10_000
    assert shorter.rows == table.rows[: len(shorter.rows)]
    assert "left out" in shorter.note
    assert table.truncated(10_000_000) is table


def test_a_sentence_is_read_whole_in_a_narrow_terminal_and_a_name_is_cut() -> None:
    lines = PLAN.text(80).splitlines()

    assert max(map(len, lines)) <= 80
    start = lines[1].index("reason")
    words = " ".join(line[start:].rsplit("  ", 1)[0].strip() if "MiB" in line else line[start:] for line in lines[2:7])
    assert REASON in re.sub(r" +", " ", words)
    assert re.search(r"^delete  abababababab  web-a+…  ", lines[2])
    assert lines[2].endswith("3.00 MiB")
    assert lines[-1].endswith("   859 B")


def test_without_a_width_a_row_is_a_line() -> None:
    title, head, first, second = PLAN.text().splitlines()

    assert (title, head.split()) == ("prune: 1 image to delete", ["action", "fingerprint", "alias", "reason", "size"])
    assert REASON in first
    assert second.startswith("keep")


def test_wide_letters_take_two_columns() -> None:
    table = Table(
        ("alias", "size"),
        (("日本語" * 30, "1 B"), ("e\u0301" * 3, "22 B"), ("web", "3 B")),
        kinds=(Kind.TEXT, Kind.NUMBER),
    )

    lines = table.text(60).splitlines()

    ends = {sum(2 if east_asian_width(c) == "W" else not combining(c) for c in line) for line in lines}
    assert ends == {60}


def test_columns_that_do_not_fit_are_named() -> None:
    table = Table(tuple(f"column_{i}" for i in range(30)), (("some text",) * 30,), hidden=("further",))

    text = table.text(80)

    assert max(map(len, text.splitlines())) <= 80
    shown = len(text.splitlines()[0].split())
    assert 3 < shown < 30
    assert f"{31 - shown} more columns: column_{shown}, " in text


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(list(Kind)), st.text(max_size=12)), min_size=1, max_size=6),
    st.lists(st.text(max_size=400), min_size=1, max_size=6),
    st.integers(min_value=40, max_value=120),
)
def test_text_and_names_fit_whatever_they_are(columns: list[tuple[Kind, str]], texts: list[str], width: int) -> None:
    kinds = (Kind.TEXT, *(kind for kind, _ in columns[1:]))
    rows = tuple(tuple(texts[(i + j) % len(texts)] for j in range(len(kinds))) for i in range(3))

    lines = Table(tuple(head for _, head in columns), rows, "title", kinds=kinds).text(width).splitlines()

    assert max(sum(2 if east_asian_width(c) in "WF" else not combining(c) for c in line) for line in lines) <= width


def test_the_names_of_columns_left_out_fit_with_wide_letters() -> None:
    heads = ("", "", "", "名前名前名前名前", "名前名前名前名前", "11")

    lines = Table(heads, (("000000000",) * 6,), "名前 " * 30).text(41).splitlines()

    assert max(sum(2 if east_asian_width(c) in "WF" else 1 for c in line) for line in lines) <= 41
    assert "名前名前名前名前, 11" in " ".join(lines)


def test_texts_stand_on_the_left_and_numbers_on_the_right() -> None:
    page = PLAN.html()

    cells = re.findall(r"<t[hd]\b([^>]*)>(.*?)</t[hd]>", page)
    assert {text for attributes, text in cells if 'class="n"' in attributes} == {"size", "3.00 MiB", "859 B"}
    # Also where a page drops the stylesheet.
    assert all('style="text-align:left"' in a for a, _ in cells if 'class="n"' not in a)
    assert '<th scope="col" class="p" style="text-align:left">reason</th>' in page


def test_long_texts_are_cut_and_their_tooltip_has_the_whole() -> None:
    page = Page(PLAN.html())

    whole = "web-" + "a" * 90
    assert whole not in page.text
    assert ("title", whole) in page.attributes
    assert REASON in page.text


def test_a_badge_says_in_words_and_with_a_sign_what_its_colour_says() -> None:
    page = Table(("state",), ((badge("failed"),), (badge("ok"),), (badge("keep"),), (badge("whatever"),))).html()

    assert '<b class="bad">failed</b>' in page
    assert '<b class="good">ok</b>' in page
    assert "<i>keep</i>" in page
    assert ">whatever</td>" in page
    signs = re.findall(r'b\.(\w+)::before\{content:"(.)"', page)
    assert len({sign for _, sign in signs}) == len(signs) == 4


def test_a_table_that_may_be_scrolled_is_reached_with_the_keyboard() -> None:
    narrow, wide = (Table(("name",) * count, (("web",) * count,), "images").html() for count in (2, 5))

    assert "tabindex" not in narrow
    assert 'tabindex="0" role="group" aria-label="images"' in wide


def test_the_stylesheet_styles_nothing_but_tables() -> None:
    page = Table(("name",), (("web",),)).html()

    sheet = page[page.index("<style>") + 7 : page.index("</style>")].replace("@media print{", "").replace("}}", "}")
    selectors = [one for rule in re.findall(r"([^{}]+)\{", sheet) for one in rule.split(",")]
    assert len(selectors) > 15
    assert [one for one in selectors if not one.startswith(".lxdimg.lxdimg.lxdimg")] == []
    assert "@media print{" in page


def test_colours_of_text_come_from_the_theme_or_the_page() -> None:
    page = Table(("name",), (("web",),)).html()

    assert "color:var(--jp-content-font-color1,var(--vscode-editor-foreground,inherit))" in page
    signs = re.sub(r"::before\{[^}]*\}", "", page)
    assert not re.search(r"(?<!-)color:\s*(?:#|white|black)", signs)


@pytest.mark.parametrize(
    ("name", "value", "kind", "text", "tooltip"),
    [
        ("fingerprint", "ab" * 32, Kind.CODE, "ab" * 6, "ab" * 32),
        ("anything", "ab" * 32, Kind.TEXT, "ab" * 6, "ab" * 32),
        ("size", 3 << 20, Kind.NUMBER, "3.00 MiB", "3,145,728 bytes"),
        ("seconds", 0.25, Kind.NUMBER, "0.250 s", ""),
        ("seconds", 75.0, Kind.NUMBER, "1 min 15 s", ""),
        ("images", 7, Kind.NUMBER, "7", ""),
        ("mode", 0o644, Kind.NUMBER, "0644", ""),
        ("uploaded_at", pd.Timestamp("2026-05-29", tz="UTC"), Kind.LINE, "3 days ago", "2026-05-29 00:00 UTC"),
        ("last_used_at", pd.NaT, Kind.LINE, "never", ""),
        ("expires_at", pd.Timestamp("2026-05-29", tz="UTC"), Kind.LINE, "expired 3 days ago", "2026-05-29 00:00 UTC"),
        ("expires_at", pd.Timestamp("2026-07-02", tz="UTC"), Kind.LINE, "in 1 month", "2026-07-02 00:00 UTC"),
        ("taken", pd.Timestamp("2026-05-29 10:11", tz="UTC"), Kind.LINE, "2026-05-29 10:11 UTC", None),
        ("public", True, Kind.LINE, "yes", ""),
        ("cached", False, Kind.LINE, "no", ""),
        ("aliases", ["a", "b"], Kind.TEXT, "a, b", ""),
        ("reason", REASON, Kind.PROSE, REASON, ""),
        ("state", "failed", Kind.LINE, "failed", ""),
    ],
)
def test_each_kind_of_column_has_one_format(name: str, value: Any, kind: Kind, text: str, tooltip: str | None) -> None:
    form = column_format(name, pd.Series([value]).dtype)

    seen = form.cell(value, NOW)

    assert (form.kind, seen[0]) == (kind, text)
    assert tooltip is None or seen[1] == tooltip


def test_what_is_public_or_over_stands_out() -> None:
    tones = {
        ("public", True): "info",
        ("public", False): "quiet",
        ("expires_at", pd.Timestamp("2026-05-29", tz="UTC")): "bad",
        ("support", "ended"): "bad",
        ("support", "extended"): "warn",
        ("support", "supported"): "good",
        ("state", "unreachable"): "bad",
    }

    for (name, value), tone in tones.items():
        text, _ = column_format(name, pd.Series([value]).dtype).cell(value, NOW)
        assert isinstance(text, Badge)
        assert text.tone == tone
    assert not isinstance(column_format("cached", bool).cell(True, NOW)[0], Badge)
    assert column_format("size", "int64", measures=False).cell(3 << 20, NOW)[0] == "3145728"
