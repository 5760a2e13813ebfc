"""When a server itself removes an image: only those it cached, and never because of `expires_at`.

Source: the daily pruning task of LXD (5.0 to 6.9) and Incus: images with `cached`, unused (else: here) for
`images.remote_cache_expiry` days, of the project if set there, else of the server, 10 by default; 0 is never.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lxdimg_nb import formats

if TYPE_CHECKING:
    from lxdimg_nb.filters import Filterable

__all__ = ["DEFAULT_DAYS", "SETTING", "Pruning", "days_of", "pruning"]

SETTING = "images.remote_cache_expiry"
DEFAULT_DAYS = 10


@dataclass(frozen=True, slots=True)
class Pruning:
    """Whether and when an image goes by itself: `when` is None for never."""

    when: datetime | None
    reason: str


def days_of(settings: Mapping[str, str] | int | None) -> tuple[int, str]:
    """The days of the rule, and where they come from."""
    if isinstance(settings, int):
        return settings, f"{SETTING} is {settings}"
    value = (settings or {}).get(SETTING, "")
    if value.removeprefix("-").isdigit():
        return int(value), f"{SETTING} is {value}"
    unknown = " as far as we know" if settings is None else ""
    return DEFAULT_DAYS, f"{SETTING} is not set{unknown}, so {DEFAULT_DAYS}"


def pruning(image: Filterable, settings: Mapping[str, str] | int | None) -> Pruning:
    """Apply the server's rule to an image.

    Args:
        image: anything with the attributes of an image.
        settings: the days, or the settings they are among; None when they are not known.
    """
    days, why = days_of(settings)
    if not image.cached:
        return Pruning(None, "the server only prunes images that it cached itself")
    if days <= 0:
        return Pruning(None, f"pruning is switched off: {why}")
    since = image.last_used_at or image.uploaded_at
    if since is None:
        return Pruning(None, "neither its last use nor its upload is known")
    word = "last used" if image.last_used_at else "never used, here since"
    return Pruning(since + timedelta(days=days), f"cached, {word} {formats.when(since)}; {why} (days)")
