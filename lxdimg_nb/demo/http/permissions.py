"""What a restricted certificate may not do.

Source: requests with a restricted client certificate to LXD 5.0.2 (Debian 12 and 13) and Incus 6.0.4, 7.0.2 and 7.5.1.
In other projects it sees public images, as a stranger does. Incus shows it the private ones of `default` as well, in
lists of all projects and in some versions by fingerprint.
"""

from __future__ import annotations

import contextlib

from ..store.daemon import Daemon
from ..store.refusals import Refusal
from ..versions import facts
from ..versions.flavours import Flavour

__all__ = ["forbid", "forbid_events", "project_asked"]

_SERVER_WIDE = ("/1.0", "/1.0/projects", "/1.0/storage-pools", "/1.0/certificates")
_OF_A_PROJECT = ("/1.0/profiles", "/1.0/instances")
_LISTS = ("/1.0/profiles", "/1.0/instances", "/1.0/images/aliases")


def forbid(
    flavour: Flavour, projects: tuple[str, ...], method: str, path: str, project: str, *, everywhere: bool = False
) -> None:
    """Raise a Refusal where a certificate that is restricted to some projects may not send a request."""
    allowed = project in projects
    if method == "GET":
        hidden = path.startswith(_OF_A_PROJECT) or path == "/1.0/images/aliases"
        listed = path in _LISTS and flavour.does(facts.OTHER_PROJECTS_EMPTY)
        if hidden and not allowed and not everywhere and not listed:
            raise _refused_read(flavour, path, project)
        pools = path.startswith("/1.0/storage-pools") and not flavour.does(facts.OTHER_PROJECTS_EMPTY)
        if flavour.is_incus and pools:
            raise Refusal(500, "Certificate is restricted")
        return
    if path.startswith("/1.0/operations"):
        return
    server_wide = path.startswith(_SERVER_WIDE[1:]) or path == _SERVER_WIDE[0]
    if server_wide or not allowed:
        raise Refusal(403, _refused_write(flavour, path, project, server_wide=server_wide))


def project_asked(daemon: Daemon, method: str, path: str, project: str) -> str:
    """The project that a request needs permission for; to write, Incus asks for the one that holds the images."""
    if daemon.flavour.is_incus and method != "GET" and path.startswith("/1.0/images/") and path != _LISTS[-1]:
        with contextlib.suppress(Refusal):
            return daemon.store.project_with("images", project, "")
    return project


def forbid_events(flavour: Flavour, projects: tuple[str, ...], project: str) -> None:
    """Raise a Refusal where such a certificate may not hear of a project; LXD lets it hear of all."""
    if flavour.is_incus and project not in projects:
        raise Refusal(403, f'User does not have permission for project "{project}"')


def _refused_write(flavour: Flavour, path: str, project: str, *, server_wide: bool) -> str:
    if not flavour.is_incus or path.startswith("/1.0/certificates") or path == "/1.0/images":
        return "not authorized"
    return "Certificate is restricted" if server_wide else f'User does not have permission for project "{project}"'


def _refused_read(flavour: Flavour, path: str, project: str) -> Refusal:
    if not flavour.is_incus:
        return Refusal(403, "not authorized")
    text = f'User does not have permissions for project "{project}"'
    return Refusal(500, f"Failed to get a permission checker: {text}" if "aliases" in path else text)
