"""Where a demo server lives: its folder, for itself alone, and a socket with a path short enough."""

from __future__ import annotations

import fcntl
import os
import socket as sockets
import tempfile
from pathlib import Path

__all__ = ["SOCKET_LIMIT", "check_free", "hold", "short_folder"]

SOCKET_LIMIT = 100
"""Bytes a socket's path may have; the system's own limit is 107 on Linux and 103 on macOS."""


def hold(folder: Path) -> int:
    """Lock a folder for one server.

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


def short_folder(prefix: str) -> Path:
    """A new private folder with a path short enough for a socket."""
    made = Path(tempfile.mkdtemp(prefix=prefix))
    if len(os.fsencode(made)) > SOCKET_LIMIT - len("/unix.socket"):
        made.rmdir()
        made = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    return made


def check_free(socket: Path) -> None:
    """Refuse a place for a socket that is not free.

    Raises:
        ValueError: its path is too long, in no folder, or that of something else.
        RuntimeError: somebody answers there.
    """
    if len(os.fsencode(socket)) > SOCKET_LIMIT:
        raise ValueError(f"the socket's path must be shorter than {SOCKET_LIMIT} bytes: {socket}")
    if not socket.parent.is_dir():
        raise ValueError(f"there is no folder {socket.parent} for the socket; make it or give another path")
    if not socket.exists():
        return
    if not socket.is_socket():
        raise ValueError(f"{socket} is there already and no socket; give another path for the socket")
    with sockets.socket(sockets.AF_UNIX) as probe:
        try:
            probe.connect(str(socket))
        except OSError:
            return
    raise RuntimeError(f"somebody answers on {socket} already; give another socket")
