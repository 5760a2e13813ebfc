"""Private temporary folders of verbs that need files in between.

Each is locked while it is used, so that the next one of its purpose can remove what a killed process left.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from lxdimg_nb.errors import InvalidRequestError

__all__ = ["temporary_folder"]

TRIES = 10
# The machine's faults, whatever file they hit.
_LACKS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.EROFS}


@contextmanager
def temporary_folder(purpose: str) -> Iterator[Path]:
    """A folder that only this user can read, and that is deleted at the end.

    Args:
        purpose: a word for its name.

    Raises:
        InvalidRequestError: it cannot be made, or the disk is full or too many files are open while it is used.
    """
    prefix = f"lxdimg-{purpose}-"
    with ExitStack() as cleanup:
        try:
            _sweep(prefix)
            name = _made(prefix, cleanup)
        except OSError as error:
            # gettempdir() itself fails where no place will do.
            place = tempfile.tempdir or os.environ.get("TMPDIR", "")
            raise InvalidRequestError(_sentence("cannot be made", place, error)) from error
        try:
            yield Path(name)
        except OSError as error:
            if error.errno not in _LACKS:
                raise
            raise InvalidRequestError(_sentence("cannot be written to", name, error)) from error


def _made(prefix: str, cleanup: ExitStack) -> str:
    """A new folder, locked where the file system has locks; both end with `cleanup`."""
    for _ in range(TRIES):
        # An error while it is deleted must not replace the one that led there.
        made = tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)
        name = cleanup.enter_context(made)
        with suppress(FileNotFoundError):
            lock = _open(name)
            cleanup.callback(os.close, lock)
            if _lock(lock) and os.path.samestat(os.fstat(lock), os.stat(name)):
                return name
        # Another process took the new folder for one that was left.
    raise FileNotFoundError(errno.ENOENT, "folders vanish there")


def _lock(folder: int) -> bool:
    """Lock an open folder; False if another process has it. Where there are no locks nothing is swept either."""
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return not isinstance(error, BlockingIOError)
    return True


def _open(folder: str) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def _sweep(prefix: str) -> None:
    """Remove this user's folders with that beginning that no living process has locked."""
    name = re.compile(rf"{re.escape(prefix)}\w{{8}}")
    with suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if name.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                with suppress(OSError):
                    _remove_unused(entry.path)


def _remove_unused(folder: str) -> None:
    lock = _open(folder)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_uid == os.geteuid():
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def _sentence(what: str, folder: str, error: OSError) -> str:
    return f"a temporary folder {what} ({folder}): {error.strerror or error}; TMPDIR names another place"
