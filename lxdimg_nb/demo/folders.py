"""The folder of a demo server, locked for it alone, and the path of its socket."""

from __future__ import annotations

import fcntl
import os
import socket as sockets
import tempfile
from pathlib import Path

__all__ = ["SOCKET_LIMIT", "check_socket_path", "lock_folder", "short_folder"]

SOCKET_LIMIT = 100
"""Longest path of a socket in bytes; the system's limit is 107 on Linux and 103 on macOS."""


def lock_folder(folder: Path) -> int:
    """Lock a folder for one server and return the handle of the lock, to be closed.

    Raises:
        RuntimeError: another server uses it.
    """
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise RuntimeError(f"another demo server uses {folder}; close it or give another folder") from error
    return handle


def short_folder() -> Path:
    """A new private folder with a path short enough for a socket."""
    made = Path(tempfile.mkdtemp(prefix="lxdimg-"))
    if len(os.fsencode(made)) > SOCKET_LIMIT - len("/unix.socket"):
        made.rmdir()
        made = Path(tempfile.mkdtemp(prefix="lxdimg-", dir="/tmp"))
    return made


def check_socket_path(socket: Path) -> None:
    """Check that a socket can be made at a path.

    Raises:
        ValueError: the path is too long, its folder is missing, or something else is there.
        RuntimeError: a server answers there.
    """
    if len(os.fsencode(socket)) > SOCKET_LIMIT:
        raise ValueError(f"the socket's path must be shorter than {SOCKET_LIMIT} bytes: {socket}")
    if not socket.parent.is_dir():
        raise ValueError(f"there is no folder {socket.parent} for the socket; make it or give another path")
    if not socket.exists():
        return
    if not socket.is_socket():
        raise ValueError(f"{socket} exists already and is not a socket; give another path for the socket")
    with sockets.socket(sockets.AF_UNIX) as probe:
        try:
            probe.connect(str(socket))
        except OSError:
            return
    raise RuntimeError(f"a server answers on {socket} already; give another socket")
