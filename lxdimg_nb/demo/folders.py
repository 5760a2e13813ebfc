"""The folder of a demo server, locked for it alone, and the path of its socket.

A temporary folder is removed with its server. What a killed process left is swept by the next start: its lock is
free, and says that the folder was temporary.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import socket as sockets
import stat
import tempfile
from pathlib import Path

__all__ = [
    "SOCKET_LIMIT",
    "check_own_folder",
    "check_socket_path",
    "lock_folder",
    "sweep_temporary_folders",
    "temporary_folder",
]

SOCKET_LIMIT = 100
"""Longest path of a socket in bytes; the system's limit is 107 on Linux and 103 on macOS."""
_LOCK = "lock"
_TEMPORARY = b"the temporary folder of a demo server of lxdimg_nb\n"
_NAME = re.compile(r"lxdimg-\w{8}")


def check_own_folder(folder: Path) -> None:
    """Check that no other user could have put something into a folder, or could do so.

    Raises:
        ValueError: it belongs to another user, or everybody may write to it.
    """
    status = folder.stat()
    if status.st_uid != os.geteuid():
        raise ValueError(f"{folder} belongs to another user; give a folder of your own")
    if status.st_mode & stat.S_IWOTH:
        raise ValueError(f"everybody may write to {folder}; give a folder of your own, or take that away (chmod o-w)")


def lock_folder(folder: Path) -> int:
    """Lock a folder for one server and return the handle of the lock, to be closed. It is no longer temporary.

    Raises:
        RuntimeError: another server uses it.
    """
    handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    if not _locked(handle):
        os.close(handle)
        raise RuntimeError(f"another demo server uses {folder}; close it or give another folder")
    os.ftruncate(handle, 0)
    return handle


def temporary_folder() -> tuple[Path, int]:
    """A new private folder with a path short enough for a socket, and the handle of its lock, to be closed."""
    made = Path(tempfile.mkdtemp(prefix="lxdimg-"))
    if len(os.fsencode(made)) > SOCKET_LIMIT - len("/unix.socket"):
        made.rmdir()
        made = Path(tempfile.mkdtemp(prefix="lxdimg-", dir="/tmp"))
    handle = lock_folder(made)
    os.write(handle, _TEMPORARY)
    return made, handle


def sweep_temporary_folders() -> None:
    """Remove this user's temporary folders that no living process has locked."""
    for place in {tempfile.gettempdir(), "/tmp"}:  # noqa: S108 - only what is ours and locked there is touched
        with contextlib.suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                if _NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                    _sweep(Path(entry.path))


def _sweep(folder: Path) -> None:
    with contextlib.suppress(OSError):
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
        try:
            ours = os.fstat(handle).st_uid == os.stat(folder, follow_symlinks=False).st_uid == os.geteuid()
            # What is written is read under the lock: a folder that is being made is locked before.
            if ours and _locked(handle) and os.read(handle, 100) == _TEMPORARY:
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


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
