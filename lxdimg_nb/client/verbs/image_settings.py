"""The settings that decide when a server updates and prunes images."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from lxdimg_nb.errors import ApiError

if TYPE_CHECKING:
    from lxdimg_nb.client.client import Client

__all__ = ["image_settings"]


def image_settings(client: Client, project: str = "") -> dict[str, str] | None:
    """The `images.*` settings that hold in a project, by default the client's: its own, else the server's.

    Returns:
        Those that are set; None where this connection may not see them.

    Source: GET /1.0 `config`, GET /1.0/projects/{name} `config`.
    """
    if not client.info.trusted:
        return None
    found = {key: str(value) for key, value in client.info.config.items() if key.startswith("images.")}
    try:
        metadata = client.transport.request(
            "GET", f"/1.0/projects/{quote(project or client.project, safe='')}"
        ).metadata
    except ApiError as error:
        if error.status_code in (403, 404, 501):
            return found or None
        raise
    config = metadata.get("config") if isinstance(metadata, dict) else None
    own = config if isinstance(config, dict) else {}
    return found | {key: str(value) for key, value in own.items() if key.startswith("images.") and value}
