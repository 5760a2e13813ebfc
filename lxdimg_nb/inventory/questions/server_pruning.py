"""When a server removes an image by itself: only images it cached, and never because of `expires_at`.

Source: the daily pruning task of LXD (5.0 to 6.9) and Incus: images with `cached`, not used (else: uploaded) for
`images.remote_cache_expiry` days, of the project if set there, else of the server, 10 by default; 0 is never.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from lxdimg_nb.client.verbs.read.server_settings import image_settings
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.filters import Filterable
from lxdimg_nb.text import formats

if TYPE_CHECKING:
    from lxdimg_nb.client import Client

__all__ = ["Pruning", "Settings", "pruning", "settings_by_project"]

Settings = Mapping[str, str] | int | None
"""Settings of a project, or only the days; None if unknown."""

_SETTING = "images.remote_cache_expiry"
_DEFAULT_DAYS = 10


@dataclass(frozen=True, slots=True)
class Pruning:
    """When a server removes an image by itself, None for never, and why."""

    when: datetime | None
    reason: str


def settings_by_project(
    projects: Sequence[tuple[str, str]], given: Client | Mapping[str, Client] | Mapping[str, str] | int | None
) -> dict[tuple[str, str], Settings]:
    """The settings of each (server, project); asks the servers if clients are given.

    Args:
        projects: server and project.
        given: settings for all, a client of the one server, or clients by server.

    Raises:
        InvalidRequestError: one client for several servers, none for one of them, or something else.
    """
    servers = sorted({server for server, _ in projects})
    if isinstance(given, Mapping) and any(hasattr(value, "info") for value in given.values()):
        clients: Mapping[str, Any] = given
        if missing := [server for server in servers if server not in clients]:
            raise InvalidRequestError(f"the frame has images of {missing[0]}, too; give a client for it")
    elif hasattr(given, "info"):
        if len(servers) > 1:
            raise InvalidRequestError(
                f"the frame is of {len(servers)} servers; give a client for each: {{name: client}}"
            )
        clients = dict.fromkeys(servers, given)
    elif given is None or isinstance(given, int | Mapping):
        return dict.fromkeys(projects, given)  # type: ignore[arg-type]
    else:
        raise InvalidRequestError(f"settings are a client, a mapping or a number of days, not {given!r}")
    return {
        (server, project): image_settings(clients[server].server_project.in_project(project))
        for server, project in projects
    }


def pruning(image: Filterable, settings: Settings) -> Pruning:
    """Apply the server's rule to an image.

    Args:
        image: anything with the attributes of an image.
        settings: of the image's project and server.
    """
    days, why = _days(settings)
    if not image.cached:
        return Pruning(None, "the server only prunes images that it cached itself")
    if days <= 0:
        return Pruning(None, f"pruning is switched off: {why}")
    since = image.last_used_at or image.uploaded_at
    if since is None:
        return Pruning(None, "neither its last use nor its upload is known")
    word = "last used" if image.last_used_at else "never used, here since"
    return Pruning(since + timedelta(days=days), f"cached, {word} {formats.timestamp(since)}; {why} (days)")


def _days(settings: Settings) -> tuple[int, str]:
    """The days of the rule, and where they come from."""
    value = str(settings) if isinstance(settings, int) else (settings or {}).get(_SETTING, "")
    if value.removeprefix("-").isdigit():
        return int(value), f"{_SETTING} is {value}"
    unknown = " as far as we know" if settings is None else ""
    return _DEFAULT_DAYS, f"{_SETTING} is not set{unknown}, so {_DEFAULT_DAYS}"
