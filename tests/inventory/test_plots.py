"""Pictures: they show the numbers of the frame, take `ax=`, and can be drawn for nothing and for hostile text."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_hex, to_rgb
from matplotlib.text import Text

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory import InventoryFrame, make_frame, plots
from lxdimg_nb.inventory.plot_style import BLUE, ORANGE, SKY
from lxdimg_nb.values import ImageRecord
from tests.kit import gallery
from tests.kit.clocks import YEARS, stamp
from tests.kit.comparison import TOLERANCE, difference
from tests.kit.counts import count
from tests.kit.inventories import NOW, days_ago, fingerprint, image, inventory

KINDS = ("size", "uploads", "ages", "usage", "drift")


pytestmark = pytest.mark.usefixtures("headless")


@pytest.fixture
def headless() -> Iterator[None]:
    """Drawing without a display; every figure is closed again."""
    matplotlib.use("Agg")
    yield
    pyplot.close("all")


def texts(ax: Any) -> list[str]:
    """All words in a picture."""
    ax.figure.canvas.draw()
    return [t.get_text() for t in ax.figure.findobj(Text) if t.get_text()]


def widths(ax: Any) -> list[float]:
    return [patch.get_width() for patch in ax.patches]


def some() -> InventoryFrame:
    rows = [
        image(0, size=3 * 2**30, project="blue", names=["web"]),
        image(0, size=3 * 2**30, project="red"),
        image(1, size=2**30, project="red", properties={"os": "Ubuntu", "release": "noble"}, names=["web"]),
        image(2, size=2**29, properties={}, uploaded_at=days_ago(400), last_used_at=days_ago(3)),
    ]
    return inventory(*rows, all_projects=True)


@pytest.mark.parametrize("kind", KINDS)
def test_each_picture_draws_on_the_axes_given_and_needs_no_network(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise AssertionError("a picture went to the network")

    monkeypatch.setattr(socket.socket, "connect", offline)
    figure, ax = pyplot.subplots()

    drawn = getattr(some().lxdimg.plot, kind)(ax=ax)

    assert drawn is ax
    png = io.BytesIO()
    figure.savefig(png, format="png")
    assert png.getvalue().startswith(b"\x89PNG")
    assert getattr(some().lxdimg.plot, kind)().figure is not figure


@pytest.mark.parametrize("kind", KINDS)
def test_each_picture_can_be_drawn_of_nothing(kind: str) -> None:
    assert texts(getattr(inventory().lxdimg.plot, kind)())


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_text_is_drawn_as_text(kind: str) -> None:
    nasty = "$\\frac{1}{0$ \x1b[31m\u202e<b>" + "x" * 5_000
    df = inventory(
        image(0, names=[nasty], properties={"os": nasty, "description": nasty}, project=nasty), all_projects=True
    )

    words = texts(getattr(df.lxdimg.plot, kind)())

    assert not any("\x1b" in w or "\u202e" in w for w in words)
    assert max(map(len, words)) < 300


def test_size_counts_an_image_once_and_puts_the_largest_on_top() -> None:
    ax = some().lxdimg.plot.size()

    assert widths(ax) == [3 * 2**30, 2**30, 2**29]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["Debian", "Ubuntu", "(none)"]
    assert ax.yaxis_inverted()
    assert "Size by os · 4.50 GiB in all" in texts(ax)
    assert "3.00 GiB · 2 images" in texts(ax)
    assert {"0 B", "2 GiB", "4 GiB"} <= {t.get_text() for t in ax.get_xticklabels()}


def test_size_by_several_columns_and_with_many_groups() -> None:
    df = inventory(*(image(i, properties={"os": f"os{i}", "release": "1"}, size=100 - i) for i in range(50)))

    ax = df.lxdimg.plot.size(["os", "release"])

    assert len(widths(ax)) == 30
    assert "21 others" in texts(ax)
    assert sum(widths(ax)) == df["size"].sum()
    with pytest.raises(InvalidRequestError, match="no column 'nope'"):
        df.lxdimg.plot.size("nope")


def test_uploads_fill_the_months_between() -> None:
    df = inventory(image(0, uploaded_at=days_ago(1)), image(1, uploaded_at=days_ago(95)), image(2, uploaded_at=None))

    ax = df.lxdimg.plot.uploads()

    assert [patch.get_height() for patch in ax.patches] == [1, 0, 0, 1]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["Feb 2026", "Mar 2026", "Apr 2026", "May 2026"]
    assert "Images by date of upload · 1 without a date" in texts(ax)
    weekly = df.lxdimg.plot.uploads("W")
    assert weekly.get_xticklabels()[0].get_text() == "23 Feb 2026"
    assert [t.get_text() for t in df.lxdimg.plot.uploads("QS").get_xticklabels()] == ["Q1 2026", "Q2 2026"]
    assert [t.get_text() for t in df.lxdimg.plot.uploads("YS").get_xticklabels()] == ["2026"]


def test_ages_count_never() -> None:
    ax = some().lxdimg.plot.ages()

    heights = [patch.get_height() for patch in ax.patches]
    assert heights[:9] == [0, 0, 3, 0, 0, 0, 1, 0, 0]
    assert heights[9:] == [0, 1, 0, 0, 0, 0, 0, 0, 3]


def test_usage_tells_used_from_idle() -> None:
    records = [
        ImageRecord.from_json(image(i, size=2**30, uploaded_at=days_ago(age))) for i, age in enumerate((200, 200, 5))
    ]
    df = make_frame(records, taken_at=NOW, used_by={fingerprint(0): ["default/c1"]})

    ax = df.lxdimg.plot.usage()

    assert widths(ax) == [2**30] * 3
    assert "Used and idle by os · 1.00 GiB idle" in texts(ax)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["in use", "used or new within 90D", "idle"]


def test_usage_counts_an_image_once_a_server_and_as_used_where_anybody_uses_it() -> None:
    rows = [image(0, size=2**30, project=project) for project in ("blue", "red")]
    users = {fingerprint(0): ["blue/c1"]}
    df = make_frame([ImageRecord.from_json(raw) for raw in rows], all_projects=True, used_by=users, taken_at=NOW)

    assert widths(df.lxdimg.plot.usage()) == [2**30]


def test_drift_shows_what_differs_first() -> None:
    df = inventory(
        image(0, names=["same"], project="blue"),
        image(0, names=["same", "web"], project="red"),
        image(1, names=["web"], project="blue"),
        all_projects=True,
    )

    ax = df.lxdimg.plot.drift()

    assert [t.get_text() for t in ax.get_yticklabels()] == ["web", "same"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["blue", "red"]
    assert "2 aliases: 1 differs, 1 same" in texts(ax)
    assert fingerprint(1)[:8] in texts(ax)
    assert "missing" in texts(df.lxdimg.plot.drift("image"))


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)

    with pytest.raises(InvalidRequestError, match=r"lxdimg-nb\[plot\]"):
        some().lxdimg.plot.size()


def luminance(colour: Any) -> float:
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one: Any, other: Any) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_texts_and_bars_are_seen_on_light_and_on_dark_pages(kind: str) -> None:
    ax = getattr(some().lxdimg.plot, kind)()

    assert texts(ax)
    assert not ax.figure.patch.get_visible()
    on_page = [t for t in ax.figure.findobj(Text) if t.get_text() and (kind != "drift" or t not in ax.texts)]
    bars = [patch.get_facecolor() for patch in ax.patches if patch.get_facecolor()[3]]
    for page in ("white", "#111111"):
        assert {t.get_text() for t in on_page if contrast(t.get_color(), page) < 4.3} == set()
        assert min([contrast(bar, page) for bar in bars if to_hex(bar) != SKY], default=9) >= 3


def test_colours_differ_in_lightness_too() -> None:
    lightness = sorted(luminance(colour) for colour in (BLUE, ORANGE, SKY))

    assert lightness[0] * 1.4 < lightness[1]
    assert lightness[1] * 1.4 < lightness[2]


@pytest.mark.parametrize("kind", KINDS)
def test_axes_say_what_is_counted(kind: str) -> None:
    ax = getattr(some().lxdimg.plot, kind)()

    assert ax.get_title(loc="left")
    assert kind == "drift" or ax.get_xlabel()


def test_a_chosen_style_is_kept() -> None:
    with pyplot.style.context("dark_background"):
        ax = some().lxdimg.plot.ages()

    assert ax.figure.patch.get_visible()
    assert {to_hex(t.get_color()) for t in ax.figure.findobj(Text) if t.get_text()} == {"#ffffff"}


def test_all_plots_look_as_in_the_reference_picture(tmp_path: Path) -> None:
    seen = gallery.plots()

    seen.save(tmp_path / "seen.png")
    # After a change that was looked at: python -m tests.kit.gallery
    assert difference(seen, gallery.reference_of_plots()) < TOLERANCE, f"see {tmp_path}/seen.png"


@pytest.mark.slow
def test_another_colour_or_text_on_a_plot_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lxdimg_nb.inventory.plots.ORANGE", "#00aa00")
    colour = difference(gallery.plots(), gallery.reference_of_plots())
    monkeypatch.undo()
    monkeypatch.setattr("lxdimg_nb.inventory.plots.bytes_axis", lambda *_: None)
    axis = difference(gallery.plots(), gallery.reference_of_plots())

    assert min(colour, axis) > TOLERANCE


def test_an_image_of_the_future_has_no_age() -> None:
    df = inventory(image(0), image(1, uploaded_at=stamp(NOW + YEARS), last_used_at=stamp(NOW - YEARS)))

    ax = df.lxdimg.plot.ages(now=NOW)

    names = [label.get_text() for label in ax.get_xticklabels()]
    assert names[:2] == ["in the future", "< 1 day"]
    assert [int(bar.get_height()) for bar in ax.patches[: len(names)]] == [1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert "in the future" not in texts(inventory(image(0)).lxdimg.plot.ages(now=NOW))
    count("a clock ten years off", inputs=1, survived=1)


def test_idle_is_what_is_so_by_the_clock_of_its_server() -> None:
    df = inventory(image(0, uploaded_at=stamp(NOW - YEARS), size=5))
    df.attrs["clock_offset"] = -YEARS.total_seconds()

    assert any("0 B idle" in text for text in texts(df.lxdimg.plot.usage(now=NOW)))
    del df.attrs["clock_offset"]
    assert any("5 B idle" in text for text in texts(df.lxdimg.plot.usage(now=NOW)))


@pytest.mark.parametrize("every", ["D", "YS"])
def test_uploads_that_are_thousands_of_years_apart_have_a_bar_each(every: str) -> None:
    times = ["9999-12-31T00:00:00Z", "0005-01-01T00:00:00Z", "1600-02-03T00:00:00Z", stamp(NOW)]
    ax = inventory(*(image(i, uploaded_at=time) for i, time in enumerate(times))).lxdimg.plot.uploads(every)

    assert sum(int(bar.get_height()) for bar in ax.patches) == len(times)
    assert len(ax.patches) == len(times)
    assert any("empty periods left out" in text for text in texts(ax))
    count("a clock ten years off", inputs=1, survived=1)


def test_uploads_of_more_days_than_a_picture_has_room_for_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "MAX_PERIODS", 40)
    df = inventory(*(image(i, uploaded_at=days_ago(2 * i)) for i in range(50)))

    ax = df.lxdimg.plot.uploads("D")

    assert len(ax.patches) == 40
    assert any("empty periods left out, and 10 images before" in text for text in texts(ax))
