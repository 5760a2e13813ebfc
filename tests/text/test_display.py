"""Nothing that a server says can affect the terminal or the page."""

from __future__ import annotations

import html
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxdimg_nb.text import display


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
def test_sanitized_text_is_one_safe_line(raw: object, seen: str) -> None:
    assert display.sanitize(raw) == seen


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_sanitized_text_is_short_printable_and_stable(raw: str, limit: int) -> None:
    seen = display.sanitize(raw, limit)

    assert len(seen) <= limit
    assert "\x1b" not in seen
    assert "\n" not in seen
    assert display.sanitize(seen, limit) == seen


def test_long_text_is_cut_before_it_is_processed() -> None:
    assert display.sanitize("x" * 10_000_000, 10) == "xxxxxxxxx…"
    assert display.sanitize("\x1b[31m" * 1_000_000, 10).endswith("…")


@given(st.text())
def test_escaped_text_reads_as_the_sanitized_one_and_opens_no_tag(raw: str) -> None:
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
def test_values_are_formatted_as_text(value: object, seen: str) -> None:
    assert display.format_value(value) == seen
