"""What a restricted certificate may not do.

Source: requests with a restricted client certificate to LXD 5.0.2 and Incus 6.0.4. In other projects it sees
public images, as a stranger does. Incus 6.0.4 also shows private ones with `all-projects=true`, which is not
imitated.
"""

from __future__ import annotations

from ..store.refusals import Refusal
from ..versions.flavours import Flavour

__all__ = ["forbid"]

_SERVER_WIDE = ("/1.0", "/1.0/projects", "/1.0/storage-pools", "/1.0/certificates")
_OF_A_PROJECT = ("/1.0/profiles", "/1.0/instances")


def forbid(
    flavour: Flavour, projects: tuple[str, ...], method: str, path: str, project: str, *, everywhere: bool = False
) -> None:
    """Raise a Refusal where a certificate that is restricted to some projects may not send a request."""
    allowed = project in projects
    if method == "GET":
        hidden = path.startswith(_OF_A_PROJECT) or path == "/1.0/images/aliases"
        if hidden and not allowed and not everywhere:
            raise _refused_read(flavour, path, project)
        if flavour.is_incus and path.startswith("/1.0/storage-pools"):
            raise Refusal(500, "Certificate is restricted")
        return
    if path.startswith("/1.0/operations"):
        return
    if path.startswith(_SERVER_WIDE[1:]) or path == _SERVER_WIDE[0] or not allowed:
        text = f'User does not have permission for project "{project}"' if flavour.is_incus else "not authorized"
        raise Refusal(403, text)


def _refused_read(flavour: Flavour, path: str, project: str) -> Refusal:
    if not flavour.is_incus:
        return Refusal(403, "not authorized")
    text = f'User does not have permissions for project "{project}"'
    return Refusal(500, f"Failed to get a permission checker: {text}" if "aliases" in path else text)
