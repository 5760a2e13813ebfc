"""The look of plots: on light and on dark pages, and for people who do not tell red from green.

Whoever has chosen a style of matplotlib, or gives axes, keeps the look of those.
"""

from __future__ import annotations

from typing import Any

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.text import formats

__all__ = ["BLUE", "GREY", "ORANGE", "SKY", "bytes_axis", "new_axes", "period_name", "tidy"]

# Of Okabe and Ito's palette. Each is seen on white and on black, and differs from the others in lightness, too.
BLUE, ORANGE, SKY = "#0072b2", "#d55e00", "#5aa9dd"
GREY = "#797979"
"""Of texts and lines: a contrast of 4.3 on white as well as on the dark pages of JupyterLab and VS Code."""
_TEXTS = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
_FORMATS = {"D": "%-d %b %Y", "W": "%-d %b %Y", "M": "%b %Y", "Q": "Q%q %Y", "Y": "%Y"}


def new_axes(width: float, height: float) -> Any:
    """Axes of a new figure without a background.

    Raises:
        InvalidRequestError: there is no matplotlib.
    """
    try:
        from matplotlib import pyplot, rcParams, rcParamsDefault
    except ImportError as exc:
        raise InvalidRequestError("plots need matplotlib: pip install 'lxdimg-nb[plot]'") from exc
    chosen: Any = rcParams
    default: Any = rcParamsDefault
    styled = any(chosen[key] != default[key] for key in (*_TEXTS, "axes.facecolor"))
    look: Any = {} if styled else dict.fromkeys(_TEXTS, GREY)
    with pyplot.rc_context(look):
        figure, ax = pyplot.subplots(figsize=(width, height), layout="constrained")
    if not styled:
        # Jupyter puts a white card behind a figure that says it is transparent; this one only draws nothing.
        figure.patch.set_visible(False)
        ax.patch.set_visible(False)
    return ax


def tidy(ax: Any, title: str, axis: str = "x", *, pad: float = 8) -> None:
    """Give axes their title, and lines where values are read off."""
    ax.set_title(title, loc="left", pad=pad, fontweight="bold", color=ax.xaxis.label.get_color())
    if not axis:
        ax.spines[:].set_visible(False)
        return
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis=axis, color="0.5", alpha=0.3, linewidth=0.8)
    ax.set_axisbelow(True)


def bytes_axis(axis: Any, label: str) -> None:
    """Mark an axis in round numbers of the unit that is shown, not of bytes."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    _, top = axis.get_view_interval()
    power = 1
    while top / power >= 1024:
        power *= 1024
    steps = MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]).tick_values(0, top / power)
    axis.set_ticks([step * power for step in steps if 0 <= step * power <= top * 1.001])
    axis.set_major_formatter(FuncFormatter(lambda value, _: _round(formats.size(value))))
    axis.set_label_text(label)


def _round(text: str) -> str:
    number, unit = text.split(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"


def period_name(period: Any) -> str:
    """The name of a period of pandas: `28 Nov 2026`, `Nov 2026`, `Q4 2026`, `2026`; a week by its first day."""
    unit = period.freqstr[:1]
    start = period.start_time
    return str(start.strftime(_FORMATS.get(unit, "%Y-%m-%d %H:%M").replace("%q", str(start.quarter))))
