"""The server's settings that decide when images are updated and pruned."""

from __future__ import annotations

from lxdimg_nb.client.project import Project, read_project
from lxdimg_nb.errors import ApiError

__all__ = ["image_settings"]


def image_settings(project: Project) -> dict[str, str] | None:
    """The `images.*` settings that hold in a project: its own, else the server's.

    Returns:
        Those that are set; None where this connection may not see them.

    Source: GET /1.0 `config`, GET /1.0/projects/{name} `config`.
    """
    info = project.info
    if not info.trusted:
        return None
    found = {key: str(value) for key, value in info.config.items() if key.startswith("images.")}
    try:
        config = read_project(project.transport, info.project).get("config")
    except ApiError as error:
        if error.status_code in (403, 404, 501):
            return found or None
        raise
    own = config if isinstance(config, dict) else {}
    return found | {key: str(value) for key, value in own.items() if key.startswith("images.") and value}
