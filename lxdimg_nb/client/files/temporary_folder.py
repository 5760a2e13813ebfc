"""Private temporary folders of verbs that need files in between."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lxdimg_nb.errors import InvalidRequestError

__all__ = ["temporary_folder"]

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
    try:
        # An error while it is deleted must not replace the one that led there.
        made = tempfile.TemporaryDirectory(prefix=f"lxdimg-{purpose}-", ignore_cleanup_errors=True)
    except OSError as error:
        raise InvalidRequestError(_sentence("cannot be made", tempfile.gettempdir(), error)) from error
    with made as name:
        try:
            yield Path(name)
        except OSError as error:
            if error.errno not in _LACKS:
                raise
            raise InvalidRequestError(_sentence("cannot be written to", name, error)) from error


def _sentence(what: str, folder: str, error: OSError) -> str:
    return f"a temporary folder {what} ({folder}): {error.strerror or error}; TMPDIR names another place"
