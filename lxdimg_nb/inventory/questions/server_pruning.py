"""When a server itself removes an image: only those it cached, and never because of `expires_at`.

Source: the daily pruning task of LXD (5.0 to 6.9) and Incus: images with `cached`, unused (else: here) for
`images.remote_cache_expiry` days, of the project if set there, else of the server, 10 by default; 0 is never.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.text import formats

if TYPE_CHECKING:
    from lxdimg_nb.client import Client
    from lxdimg_nb.filters import Filterable

__all__ = ["DEFAULT_DAYS", "SETTING", "Pruning", "Settings", "days_of", "pruning", "settings_by_place"]

Settings = Mapping[str, str] | int | None
"""The days, or the settings they are among; None when they are not known."""

SETTING = "images.remote_cache_expiry"
DEFAULT_DAYS = 10


@dataclass(frozen=True, slots=True)
class Pruning:
    """Whether and when an image goes by itself: `when` is None for never."""

    when: datetime | None
    reason: str


def days_of(settings: Settings) -> tuple[int, str]:
    """The days of the rule, and where they come from."""
    if isinstance(settings, int):
        return settings, f"{SETTING} is {settings}"
    value = (settings or {}).get(SETTING, "")
    if value.removeprefix("-").isdigit():
        return int(value), f"{SETTING} is {value}"
    unknown = " as far as we know" if settings is None else ""
    return DEFAULT_DAYS, f"{SETTING} is not set{unknown}, so {DEFAULT_DAYS}"


def settings_by_place(
    places: Sequence[tuple[str, str]], given: Client | Mapping[str, Client] | Mapping[str, str] | int | None
) -> dict[tuple[str, str], Settings]:
    """The settings that hold in each project of each server; clients are asked for them.

    Args:
        places: the servers and projects.
        given: settings for all, a client for one server, or clients by server.

    Raises:
        InvalidRequestError: one client for several servers, none for one of them, or something else.
    """
    clients: dict[str, Any] = {}
    servers = sorted({server for server, _ in places})
    if isinstance(given, Mapping) and any(hasattr(value, "info") for value in given.values()):
        clients = dict(given)
        if missing := [server for server in servers if server not in clients]:
            raise InvalidRequestError(f"the frame has images of {missing[0]}, too; give a client for it")
    elif hasattr(given, "info"):
        if len(servers) > 1:
            raise InvalidRequestError(
                f"the frame is of {len(servers)} servers; give a client for each: {{name: client}}"
            )
        clients = dict.fromkeys(servers, given)
    elif not (given is None or isinstance(given, int | Mapping)):
        raise InvalidRequestError(f"settings are a client, a mapping or a number of days, not {given!r}")
    else:
        return dict.fromkeys(places, given)  # type: ignore[arg-type]
    from lxdimg_nb.client.verbs.image_settings import image_settings

    return {(server, project): image_settings(clients[server], project) for server, project in places}


def pruning(image: Filterable, settings: Settings) -> Pruning:
    """Apply the server's rule to an image.

    Args:
        image: anything with the attributes of an image.
        settings: those of the image's project and server.
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
    return Pruning(since + timedelta(days=days), f"cached, {word} {formats.timestamp(since)}; {why} (days)")
