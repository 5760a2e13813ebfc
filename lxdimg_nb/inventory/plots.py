"""`df.lxdimg.plot`: plots of an inventory with matplotlib. As in pandas, `ax=` is taken and axes are returned."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory.fleet.drift import drift
from lxdimg_nb.inventory.frame import conditions
from lxdimg_nb.inventory.frame.rows import needed
from lxdimg_nb.inventory.frame.summary import group_names, summary
from lxdimg_nb.inventory.plot_style import BLUE, GREY, ORANGE, SKY, bytes_axis, new_axes, period_name, tidy
from lxdimg_nb.text import display, formats
from lxdimg_nb.values import short_fingerprint

__all__ = ["PlotAccessor"]

MANY = 30
"""Most bars or rows of a plot; what is left over is summed up or counted."""
MAX_PERIODS = 1000
"""Most bars of a plot over time."""
CLOCKS_APART = pd.Timedelta(minutes=5)
"""Two clocks that differ by less are taken for the same."""


def _axes(ax: Any, width: float = 7.0, height: float = 3.5) -> Any:
    return new_axes(width, height) if ax is None else ax


def _label(value: object, limit: int = 36) -> str:
    """Text for a plot: sanitized, short, and with `$` escaped, which would begin a formula."""
    return display.sanitize(value, limit).replace("$", r"\$") or "(none)"


class PlotAccessor:
    """Plots of a frame of images. Each takes `ax=` and returns the axes."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def size(self, by: str | Sequence[str] = "os", *, ax: Any = None) -> Any:
        """Bytes by any column or property, the largest on top; an image counts once a server.

        Args:
            by: the column or property, or several.
            ax: the axes of matplotlib to draw on; None for new ones.
        """
        table = summary(self._frame, by)
        labels = [_label(" / ".join(map(str, key)) if isinstance(key, tuple) else key) for key in table.index]
        values, counts = table["bytes"].tolist(), table["images"].tolist()
        if len(labels) > MANY:
            rest = len(labels) - MANY + 1
            labels = [*labels[: MANY - 1], f"{rest:,} others"]
            values = [*values[: MANY - 1], sum(values[MANY - 1 :])]
            counts = [*counts[: MANY - 1], sum(counts[MANY - 1 :])]
        ax = _axes(ax, height=max(1.8, 0.9 + 0.32 * len(labels)))
        bars = ax.barh(range(len(labels)), values, color=BLUE, height=0.7)
        ax.set_yticks(range(len(labels)), labels)
        ax.invert_yaxis()
        words = [f"{formats.size(v)} · {formats.plural(c, 'image')}" for v, c in zip(values, counts, strict=True)]
        ax.bar_label(bars, words, padding=4, fontsize="small", color=ax.xaxis.label.get_color())
        ax.set_xlim(0, max([*values, 1]) * 1.55)  # room for the label behind the longest bar
        bytes_axis(ax.xaxis, "size on the server")
        name = " and ".join([by] if isinstance(by, str) else by)
        tidy(ax, f"Size by {_label(name)} · {formats.size(table.attrs['bytes'])} in all")
        return ax

    def uploads(self, every: str = "MS", *, ax: Any = None) -> Any:
        """How many images were uploaded when.

        Args:
            every: the period of a bar, a frequency of pandas: `D`, `W`, `MS` (a month), `QS`, `YS`.
            ax: the axes of matplotlib to draw on; None for new ones.
        """
        times = needed(self._frame, "uploaded_at").dropna().dt.tz_localize(None)
        try:
            periods = times.dt.to_period(every.removesuffix("S").removesuffix("E") or "M")
        except ValueError as exc:
            raise InvalidRequestError(f"{every!r} is no frequency of pandas; write D, W, MS, QS or YS") from exc
        counts, note = periods.value_counts().sort_index(), ""
        if len(counts) and (counts.index[-1] - counts.index[0]).n < MAX_PERIODS:
            counts = counts.reindex(pd.period_range(counts.index[0], counts.index[-1]), fill_value=0)
        elif len(counts):
            # A clock that was years off makes a gap of thousands of periods.
            note, counts = " · empty periods left out", counts.iloc[-MAX_PERIODS:]
            left = len(times) - int(counts.sum())
            note += f", and {formats.plural(left, 'image')} before" if left else ""
        ax = _axes(ax)
        ax.bar(range(len(counts)), counts.to_numpy(), color=BLUE, width=0.85)
        step = max(1, -(-len(counts) // 12))
        names = [period_name(period) for period in counts.index[::step]]
        turn = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if len(counts) > 8 else {}
        ax.set_xticks(range(0, len(counts), step), names, **turn)
        ax.yaxis.get_major_locator().set_params(integer=True)
        ax.set_ylabel("images")
        ax.set_xlabel("uploaded (UTC)")
        missing = int(needed(self._frame, "uploaded_at").isna().sum())
        tidy(ax, "Images by date of upload" + (f" · {missing:,} without a date" if missing else "") + note, "y")
        return ax

    def ages(self, *, now: datetime | None = None, ax: Any = None) -> Any:
        """How long ago the images were uploaded and last used.

        Args:
            now: ages are counted from here; by default from when the frame was taken.
            ax: the axes of matplotlib to draw on; None for new ones.
        """
        moment = pd.Timestamp(conditions.as_of(self._frame, now))
        moments = conditions.moments(self._frame, moment)
        edges = [0, 1, 7, 30, 90, 180, 365, 730, float("inf")]
        spans = ("1 day", "1 week", "1 month", "3 months", "6 months", "1 year", "2 years")
        names = [*(f"< {span}" for span in spans), "older", "never"]
        times = ("uploaded_at", "last_used_at")
        if any((needed(self._frame, column) > moments + CLOCKS_APART).any() for column in times):
            names, edges = ["in the future", *names], [float("-inf"), *edges]
        ax = _axes(ax)
        series = (("uploaded", "uploaded_at", BLUE, -0.2), ("last used", "last_used_at", ORANGE, 0.2))
        for label, column, colour, shift in series:
            age = moments - needed(self._frame, column)
            age = age.mask((age < pd.Timedelta(0)) & (age >= -CLOCKS_APART), pd.Timedelta(0))
            days = age.dt.total_seconds() / 86_400
            counts = pd.cut(days, edges, right=False, labels=names[:-1]).value_counts(sort=False).tolist()
            values = [*counts, int(days.isna().sum())]
            bars = ax.bar([i + shift for i in range(len(values))], values, width=0.38, label=label, color=colour)
            words = [f"{v:,}" if v else "" for v in values]
            ax.bar_label(bars, words, padding=2, fontsize="small", color=ax.xaxis.label.get_color())
        ax.set_xticks(range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor")
        ax.yaxis.get_major_locator().set_params(integer=True)
        ax.margins(y=0.12)
        ax.set_ylabel("images")
        ax.set_xlabel(f"time before {moment:%-d %B %Y}")
        ax.legend(frameon=False, labelcolor=ax.xaxis.label.get_color())
        tidy(ax, f"Ages of {formats.plural(len(self._frame), 'image')}", "y")
        return ax

    def usage(self, by: str = "os", *, idle_after: str = "90D", now: datetime | None = None, ax: Any = None) -> Any:
        """Bytes of images that are in use, were used lately, or are idle; an image counts once a server.

        In use means by an instance or snapshot, if the frame has `used_by`.

        Args:
            by: the column or property.
            idle_after: how long after its last use or upload an image becomes idle, as in `90D`.
            now: ages are counted from here; by default from when the frame was taken.
            ax: the axes of matplotlib to draw on; None for new ones.
        """
        frame = self._frame
        moment = pd.Timestamp(conditions.as_of(frame, now))
        begin = conditions.moments(frame, moment) - conditions.checked_duration(idle_after)
        lately = conditions.idle_since(frame) > begin
        used = conditions.used(frame)
        state = [
            "in use" if u else f"used or new within {idle_after}" if r else "idle"
            for u, r in zip(used, lately, strict=True)
        ]
        table = pd.DataFrame(
            {
                "group": group_names(conditions.values(frame, conditions.find_column(frame, by))),
                "state": state,
                "size": needed(frame, "size").to_numpy(),
                "image": conditions.stored_images(frame),
            }
        )
        # A server stores an image once for all of its projects: it is idle only if it is idle in all of them.
        table["order"] = table["state"].map({"in use": 0, "idle": 2}).fillna(1)
        table = table.sort_values("order", kind="stable").drop_duplicates(["group", "image"])
        wide = table.pivot_table(
            index="group", columns="state", values="size", aggfunc="sum", fill_value=0, observed=True
        )
        wide = wide.loc[wide.sum(axis=1).sort_values(ascending=False).index[:MANY]]
        ax = _axes(ax, height=max(2.2, 1.2 + 0.34 * len(wide)))
        left = pd.Series(0.0, index=wide.index)
        colours = {"in use": BLUE, f"used or new within {idle_after}": SKY, "idle": ORANGE}
        for label, colour in colours.items():
            if label in wide.columns:
                marks = {"hatch": "///", "edgecolor": "white", "linewidth": 0} if label == "idle" else {}
                ax.barh(range(len(wide)), wide[label], left=left, color=colour, label=label, height=0.7, **marks)
                left = left + wide[label]
        ax.set_yticks(range(len(wide)), [_label(group) for group in wide.index])
        ax.invert_yaxis()
        ax.set_xlim(0, max([*left.tolist(), 1]) * 1.05)
        bytes_axis(ax.xaxis, "size on the server")
        idle = int(table.loc[table["state"] == "idle", "size"].sum())
        if len(wide):
            ink = ax.xaxis.label.get_color()
            ax.legend(frameon=False, loc="best", fontsize="small", labelcolor=ink)
        tidy(ax, f"Used and idle by {_label(by)} · {formats.size(idle)} idle")
        return ax

    def drift(self, by: str = "alias", *, ax: Any = None) -> Any:
        """A matrix of a fleet: a row an alias (or image), a column a server; differences come first.

        A cell shows the target of an alias, blue if it is the most common one, orange and with `≠` if not; or
        whether an image is there. An empty one is missing.

        Args:
            by: `alias` or `image`.
            ax: the axes of matplotlib to draw on; None for new ones.
        """
        table = drift(self._frame, by=by)
        order = {"differs": 0, "missing": 1, "same": 2}
        table = table.assign(_order=[order[s] for s in table["state"]]).sort_values("_order", kind="stable")
        places = [n for n in table.columns if n not in ("state", "_order", "description")]
        shown = table.head(MANY)
        ax = _axes(ax, 2.6 + 1.15 * max(2, len(places)), max(1.8, 1.1 + 0.3 * len(shown)))
        for row, (_, cells) in enumerate(shown.iterrows()):
            values = [cells[place] for place in places]
            present = [v for v in values if isinstance(v, str)]
            common = max(present, key=present.count, default=None)
            for column, value in enumerate(values):
                there = isinstance(value, str) if by == "alias" else bool(value)
                colour = "none" if not there else BLUE if by == "image" or value == common else ORANGE
                ax.add_patch(_box(column, row, colour))
                sign = "≠ " if colour == ORANGE else ""
                text = sign + short_fingerprint(value)[:8] if by == "alias" and there else ("" if there else "missing")
                ax.text(column, row, text, ha="center", va="center", fontsize="small", color="white" if there else GREY)
        words = shown["description"].fillna("") if by == "image" else [""] * len(shown)
        labels = [_label(_row_name(key, word, by), 40) for key, word in zip(shown.index, words, strict=True)]
        ax.set_yticks(range(len(shown)), labels)
        ax.set_xticks(
            range(len(places)), [_label(place, 18) for place in places], rotation=20 if len(places) > 4 else 0
        )
        ax.xaxis.tick_top()
        ax.tick_params(length=0)
        ax.set_xlim(-0.5, max(len(places), 1) - 0.5)
        ax.set_ylim(max(len(shown), 1) - 0.5, -0.5)
        counts = table["state"].value_counts()
        noun = "alias" if by == "alias" else "image"
        states = ", ".join(f"{counts[s]:,} {s}" for s in order if counts.get(s, 0)) or "nothing to compare"
        more = f" · {len(shown)} shown" if len(table) > len(shown) else ""
        tidy(ax, f"{formats.plural(len(table), noun)}: {states}{more}", "", pad=12)
        return ax


def _box(column: int, row: int, colour: str) -> Any:
    from matplotlib.patches import Rectangle

    edge = GREY if colour == "none" else colour
    return Rectangle((column - 0.46, row - 0.42), 0.92, 0.84, facecolor=colour, edgecolor=edge, linewidth=0.6)


def _row_name(key: Any, description: str, by: str) -> str:
    """The label of a row: its project if there are several, and its alias or image."""
    project, name = key if isinstance(key, tuple) else ("", key)
    shown = str(name) if by == "alias" else f"{short_fingerprint(name)} {description}".strip()
    return f"{project}: {shown}" if project else shown
