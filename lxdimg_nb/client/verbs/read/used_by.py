"""Find the instances and snapshots made from images, by `volatile.base_image`: servers do not list them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lxdimg_nb.client.http.transport import MAX_LISTING
from lxdimg_nb.client.project import Project
from lxdimg_nb.client.verbs.read.projects import MAX_PROJECTS, listed_projects
from lxdimg_nb.errors import NotAllowedError, UnexpectedReplyError
from lxdimg_nb.values import FINGERPRINT

__all__ = ["users_of_images"]


def users_of_images(project: Project) -> dict[str, list[str]]:
    """Fingerprint to the instances and snapshots made from it, in every project this connection may see.

    Returns:
        `project/instance` and `project/instance/snapshot`, sorted. A fingerprint that nobody uses is left out.

    Raises:
        UnexpectedReplyError: it does not say of an instance which image it was made from; no image is called unused
            for that.

    Source: GET /1.0/instances?recursion=2&all-projects=true (`snapshots` in each instance).
    """
    try:
        rows = _instances(project, {"all-projects": "true"})
    except NotAllowedError:
        # LXD 5.0.2 refuses that to a restricted certificate, which may ask in each of its projects.
        names = [one.name for one in listed_projects(project) if one.may_hold("instances")]
        if len(names) > MAX_PROJECTS:
            raise
        rows = [row for name in names for row in _instances(project, {"project": name})]
    found: dict[str, list[str]] = {}
    for row in rows:
        name = f"{row.get('project') or 'default'}/{row.get('name')}"
        _note(found, row, name)
        snapshots = row.get("snapshots") or []
        if not isinstance(snapshots, list):
            raise _unknown(name)
        for snapshot in snapshots:
            if not isinstance(snapshot, dict):
                raise _unknown(name)
            _note(found, snapshot, f"{name}/{str(snapshot.get('name')).rpartition('/')[2]}")
    return {fingerprint: sorted(names) for fingerprint, names in found.items()}


def _instances(project: Project, where: dict[str, str]) -> list[dict[str, Any]]:
    params = {"recursion": "2"} | where
    reply = project.transport.request("GET", "/1.0/instances", params=params, timeout=120, limit=MAX_LISTING)
    return reply.documents("instances")


def _note(found: dict[str, list[str]], row: Mapping[str, Any], name: str) -> None:
    configs = [config for key in ("expanded_config", "config") if (config := row.get(key)) is not None]
    if not configs or not all(isinstance(config, dict) for config in configs):
        raise _unknown(name)
    for config in configs:
        base = config.get("volatile.base_image", "")
        if not isinstance(base, str):
            raise _unknown(name)
        if FINGERPRINT.match(base):
            found.setdefault(base, []).append(name)
            return


def _unknown(name: str) -> UnexpectedReplyError:
    return UnexpectedReplyError(f"the server does not say which image {name[:100]} was made from; is it LXD or Incus?")
