"""What to do about a daemon's socket that may not be opened, or where nobody listens."""

from __future__ import annotations

import contextlib
import getpass
import grp
import os
import stat

__all__ = ["permission_advice", "start_advice"]


def permission_advice(path: str) -> str:
    """How this user gets access to a socket: as a rule, by the group that it belongs to."""
    usual = "lxd" if "lxd" in path else "incus" if path.endswith(".user") else "incus-admin"
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # a folder above it may not be entered
        return _group_advice(usual)
    if not found.st_mode & stat.S_IWGRP or found.st_gid == 0:
        # Nobody should join the group root.
        return f"only its owner may open it; on the server, give the socket to a group, such as {usual}"
    try:
        return _group_advice(grp.getgrgid(found.st_gid).gr_name)
    except KeyError:
        return f"join the group {found.st_gid}, then log in again and restart Jupyter"


def _group_advice(group: str) -> str:
    user = "$USER"
    with contextlib.suppress(KeyError, OSError):
        user = getpass.getuser()
    with contextlib.suppress(KeyError):
        if user in grp.getgrnam(group).gr_mem:
            return f"you joined the group {group} after you had logged in: log in again, then restart Jupyter"
    return f"join the group {group}: sudo usermod -aG {group} {user}, then log in again and restart Jupyter"


def start_advice(path: str) -> str:
    """How to start the daemon of a socket; empty if that is not known."""
    if path.startswith("/var/snap/lxd/"):
        return "start it: sudo snap start lxd"
    product = path.removeprefix("/run/").removeprefix("/var/lib/").split("/")[0]
    return f"start it: sudo systemctl start {product}" if product in ("lxd", "incus") else ""
