"""Sizes, durations and times as people read and write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lxdimg_nb.text import formats

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_an_age_is_in_the_past_or_in_the_future() -> None:
    assert formats.age(datetime(2026, 5, 29, tzinfo=UTC), NOW) == "3 days ago"
    assert formats.age(datetime(2026, 7, 5, tzinfo=UTC), NOW) == "in 1 month"
    assert formats.age(None, NOW) == "never"
    assert formats.age(NOW, NOW) == "now"


@pytest.mark.parametrize(
    ("count", "seen"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.50 KiB"),
        (15 << 20, "15.0 MiB"),
        (150 << 30, "150 GiB"),
        (1 << 60, "1024 PiB"),
    ],
)
def test_a_size_has_three_digits(count: int, seen: str) -> None:
    assert formats.size(count) == seen


@pytest.mark.parametrize(("seconds", "seen"), [(3.21, "3.2 s"), (59, "59 s"), (75, "1 min 15 s"), (7500, "2 h 5 min")])
def test_a_duration_has_two_units(seconds: float, seen: str) -> None:
    assert formats.duration(seconds) == seen


@pytest.mark.parametrize(
    ("text", "count"),
    [("4096", 4096), ("300k", 307_200), ("1.5 MB", 1_500_000), ("1GiB", 1 << 30), ("2 kb", 2000)],
)
def test_a_size_is_parsed(text: str, count: int) -> None:
    assert formats.parse_size(text) == count


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90d", timedelta(days=90)),
        ("90D", timedelta(days=90)),
        ("12h", timedelta(hours=12)),
        ("30min", timedelta(minutes=30)),
        ("2 weeks", timedelta(days=14)),
        ("1y", timedelta(days=365)),
        ("6month", timedelta(days=180)),
    ],
)
def test_a_duration_is_parsed(text: str, span: timedelta) -> None:
    assert formats.parse_duration(text) == span


@pytest.mark.parametrize("text", ["", "soon", "-1d", "90"])
def test_an_invalid_duration_or_size_says_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="write 90d"):
        formats.parse_duration(text)
    with pytest.raises(ValueError, match="write 1GiB"):
        formats.parse_size(text + "x")


def test_an_m_that_may_be_minutes_or_months_is_refused() -> None:
    with pytest.raises(ValueError, match="30min or 6month"):
        formats.parse_duration("6M")


def test_nouns_have_their_usual_plurals() -> None:
    counted = [formats.plural(2, noun) for noun in ("image", "alias", "entry", "day")]

    assert counted == ["2 images", "2 aliases", "2 entries", "2 days"]
    assert formats.plural(1, "entry") == "1 entry"
