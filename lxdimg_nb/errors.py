"""The one error tree.

    LxdImageError
    ├── ServerUnreachableError      nobody answers, or the connection broke
    ├── UnexpectedReplyError        somebody answers, but not as LXD or Incus would
    ├── ApiError                    the server said no (status_code, message)
    │   ├── NotAllowedError         401, 403
    │   ├── NotFoundError           404
    │   └── ConflictError           409, 412
    │       ├── ImageExistsError    the image is already there (fingerprint)
    │       └── ChangedMeanwhileError   somebody else edited it (theirs, ours)
    ├── IncompleteListError         the server left images out of a listing (images, missing)
    ├── OperationFailedError        the server's background work failed (operation_id)
    ├── OperationTimeoutError       it is still running
    ├── OperationCancelledError     it was cancelled, by us or by somebody else
    ├── MissingExtensionError       this server cannot do that (extension)
    ├── FingerprintMismatchError    the bytes are not those of the image (expected, actual)
    ├── InvalidImageError           a file is no image the server would take
    └── InvalidRequestError         the call itself makes no sense; nothing was sent

Every error pickles, keeps its facts as attributes and holds no secret.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

__all__ = [
    "ApiError",
    "ChangedMeanwhileError",
    "ConflictError",
    "FingerprintMismatchError",
    "ImageExistsError",
    "IncompleteListError",
    "InvalidImageError",
    "InvalidRequestError",
    "LxdImageError",
    "MissingExtensionError",
    "NotAllowedError",
    "NotFoundError",
    "OperationCancelledError",
    "OperationFailedError",
    "OperationTimeoutError",
    "ServerUnreachableError",
    "UnexpectedReplyError",
]

# Longer runs without a space are somebody's name or key, and hide what to do next.
_RUN = re.compile(r"\S{400,}")
_SECRET = re.compile(r"((?:secret|token|password)(?:=|%3D|\"\s*:\s*\"))[^&\s\"']+", re.IGNORECASE)


def redact(text: str) -> str:
    """The text with the values of secret=, token= and password= masked."""
    return _SECRET.sub(r"\1***", text)


def one_line(text: str) -> str:
    """The text on one line that steers no terminal, without secrets; of runs without a space the beginning."""
    text = "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)
    return redact(_RUN.sub(lambda found: found[0][:200] + "…", text))


class LxdImageError(Exception):
    """Anything that goes wrong in this package. `str()` is one line that says what to do next."""

    def __init__(self, message: str, **facts: Any) -> None:
        message = one_line(message)
        super().__init__(message)
        self.message = message
        self._facts = facts
        self.__dict__.update(facts)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self._facts)


def _rebuild(kind: type[LxdImageError], message: str, facts: dict[str, Any]) -> LxdImageError:
    error = kind.__new__(kind)
    LxdImageError.__init__(error, message, **facts)
    return error


class ServerUnreachableError(LxdImageError):
    """Nobody answers at that address, or the connection broke in the middle."""


class UnexpectedReplyError(LxdImageError):
    """Somebody answered, but not as LXD or Incus does."""


class ApiError(LxdImageError):
    """The server refused. `status_code` is the HTTP code of the refusal.

    Made as `ApiError("gone", status_code=404)` or `ApiError(404, "gone")`.
    """

    status_code: int
    _usual: ClassVar[int] = 0

    def __init__(self, message: str | int, text: str = "", *, status_code: int = 0, **facts: Any) -> None:
        if isinstance(message, int):
            status_code, message = message, text
        super().__init__(message, status_code=status_code or self._usual, **facts)


class NotAllowedError(ApiError):
    """401 or 403: this connection may not do that."""

    _usual = 403


class NotFoundError(ApiError):
    """404: not there, or not visible to this connection; servers do not tell which."""

    _usual = 404


class ConflictError(ApiError):
    """409 or 412: what was asked collides with what is there."""

    _usual = 409


class ImageExistsError(ConflictError):
    """The project already holds this image. `fingerprint` says which."""

    fingerprint: str

    def __init__(self, message: str, *, fingerprint: str, status_code: int = 409) -> None:
        super().__init__(message, status_code=status_code, fingerprint=fingerprint)


class ChangedMeanwhileError(ConflictError):
    """Somebody else edited the image since it was read.

    `theirs` and `ours` map each field in conflict to the value on the server and the value that was to be
    written. Nothing was written.
    """

    theirs: dict[str, Any]
    ours: dict[str, Any]

    def __init__(self, message: str, *, theirs: dict[str, Any], ours: dict[str, Any], status_code: int = 412) -> None:
        super().__init__(message, status_code=status_code, theirs=theirs, ours=ours)


class IncompleteListError(LxdImageError):
    """The server left images out of its listing and they could not be fetched one by one either.

    `images` are those that were read, `missing` the fingerprints that were not.
    """

    images: Sequence[Any]
    missing: tuple[str, ...]

    def __init__(self, message: str, *, images: Sequence[Any], missing: Sequence[str]) -> None:
        super().__init__(message, images=images, missing=tuple(missing))


class OperationFailedError(LxdImageError):
    """The server's background work ended in failure. `operation_id` and `reason` tell more."""

    operation_id: str
    reason: str

    def __init__(self, message: str, *, operation_id: str = "", reason: str = "") -> None:
        super().__init__(message, operation_id=operation_id, reason=redact(reason))


class OperationTimeoutError(LxdImageError):
    """The operation is still running on the server; it was not cancelled."""

    operation_id: str

    def __init__(self, message: str, *, operation_id: str = "") -> None:
        super().__init__(message, operation_id=operation_id)


class OperationCancelledError(LxdImageError):
    """The work was cancelled, here or on the server."""


class MissingExtensionError(LxdImageError):
    """The server is too old, too new or of the other kind for this call. `extension` names what it lacks."""

    extension: str

    def __init__(self, message: str, *, extension: str) -> None:
        super().__init__(message, extension=extension)


class FingerprintMismatchError(LxdImageError):
    """The bytes are not those of the image that was asked for."""

    expected: str
    actual: str

    def __init__(self, message: str, *, expected: str, actual: str) -> None:
        super().__init__(message, expected=expected, actual=actual)


class InvalidImageError(LxdImageError):
    """The file is not an image that a server would take."""


class InvalidRequestError(LxdImageError, ValueError):
    """The call makes no sense as it stands; nothing was sent to the server."""
