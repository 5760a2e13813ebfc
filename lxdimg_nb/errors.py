"""The errors of the package.

    LxdImageError
    ├── ServerUnreachableError      nothing answers, or the connection broke (advice, tried)
    ├── UnexpectedReplyError        the reply is not one of LXD or Incus
    ├── ApiError                    the server refused (status_code, message)
    │   ├── NotAllowedError         401, 403
    │   ├── NotFoundError           404
    │   └── ConflictError           409, 412
    │       ├── ImageExistsError    the image is already there (fingerprint)
    │       └── ChangedMeanwhileError   somebody else edited the image (theirs, ours)
    ├── IncompleteListError         the server left images out of a listing (images, missing)
    ├── OperationFailedError        background work of the server failed (operation_id, reason)
    ├── OperationTimeoutError       background work is still running (operation_id)
    ├── OperationCancelledError     work was cancelled, here or on the server
    ├── MissingExtensionError       the server does not support the call (extension)
    ├── FingerprintMismatchError    the bytes are not those of the image (expected, actual)
    ├── InvalidImageError           a file is not an image that a server would take
    └── InvalidRequestError         the call is wrong; nothing was sent

Every error can be pickled, has its facts as attributes, and contains no secrets.
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

# A longer run without a space is a name or a key, and would hide the rest of the message.
_LONG_RUN = re.compile(r"\S{400,}")
# Characters of a message, which may quote a server.
MAX_MESSAGE = 4000
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL)
_USERINFO = re.compile(r"(?<=://)[^/?#\s'\"@]+@")
_SECRET = re.compile(r"((?:secret|token|password|signature|[?&]sig)(?:=|%3D|\"\s*:\s*\"))[^&\s\"']+", re.IGNORECASE)


def redact(text: str) -> str:
    """Return the text with secrets masked.

    Those are private keys, the name and password in an address, and the values of secret=, token=, password=,
    signature= and of sig= in a query.
    """
    return _SECRET.sub(r"\1***", _USERINFO.sub("***@", _PRIVATE_KEY.sub("***", text)))


def _single_line(text: str) -> str:
    """Return the text on one line, without control characters and secrets, and with long runs cut."""
    # Without its end rather than its beginning, so that what hides a secret is not cut off.
    text = text[: 50 * MAX_MESSAGE]
    text = "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)
    text = redact(_LONG_RUN.sub(lambda found: found[0][:200] + "…", text))
    return text if len(text) <= MAX_MESSAGE else text[:MAX_MESSAGE] + "…"


class LxdImageError(Exception):
    """Base class of all errors of this package. `message` is one line that says what to do next; so is `str()`."""

    def __init__(self, message: str, **facts: Any) -> None:
        message = _single_line(message)
        super().__init__(message)
        self.message = message
        self._facts = facts
        self.__dict__.update(facts)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (type(self), self.message, self._facts)


def _unpickle(kind: type[LxdImageError], message: str, facts: dict[str, Any]) -> LxdImageError:
    error = kind.__new__(kind)
    LxdImageError.__init__(error, message, **facts)
    return error


class ServerUnreachableError(LxdImageError):
    """Nothing answers at that address, or the connection broke.

    `advice` are at most four lines of what to do, which `str()` shows below the message; `tried` are the places
    where a server was looked for. Both are empty where one address was named.
    """

    advice: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()

    def __init__(self, message: str, *, advice: Sequence[str] = (), tried: Sequence[str] = ()) -> None:
        lines, places = (tuple(_single_line(text) for text in texts) for texts in (advice, tried))
        super().__init__(message, advice=lines, tried=places)

    def __str__(self) -> str:
        return "\n".join([self.message, *(f"  - {line}" for line in self.advice)])


class UnexpectedReplyError(LxdImageError):
    """Something answered, but not as LXD or Incus does."""


class ApiError(LxdImageError):
    """The server refused the request; `status_code` is the HTTP status.

    Both `ApiError("gone", status_code=404)` and `ApiError(404, "gone")` work.
    """

    status_code: int
    _default_status: ClassVar[int] = 0

    def __init__(self, message: str | int, text: str = "", *, status_code: int = 0, **facts: Any) -> None:
        if isinstance(message, int):
            status_code, message = message, text
        super().__init__(message, status_code=status_code or self._default_status, **facts)


class NotAllowedError(ApiError):
    """401 or 403: this connection is not allowed to do that."""

    _default_status = 403


class NotFoundError(ApiError):
    """404: it does not exist, or this connection may not see it; servers do not say which."""

    _default_status = 404


class ConflictError(ApiError):
    """409 or 412: the request conflicts with what is on the server."""

    _default_status = 409


class ImageExistsError(ConflictError):
    """The project already has this image; `fingerprint` says which."""

    fingerprint: str

    def __init__(self, message: str, *, fingerprint: str, status_code: int = 409) -> None:
        super().__init__(message, status_code=status_code, fingerprint=fingerprint)


class ChangedMeanwhileError(ConflictError):
    """Somebody else edited the image since it was read.

    `theirs` and `ours` map each conflicting field to the value on the server and the value that was to be
    written. Nothing was written.
    """

    theirs: dict[str, Any]
    ours: dict[str, Any]

    def __init__(self, message: str, *, theirs: dict[str, Any], ours: dict[str, Any], status_code: int = 412) -> None:
        super().__init__(message, status_code=status_code, theirs=theirs, ours=ours)


class IncompleteListError(LxdImageError):
    """The server left images out of its listing, and they could not be fetched one by one.

    `images` are those that were read; `missing` are the fingerprints of the others.
    """

    images: Sequence[Any]
    missing: tuple[str, ...]

    def __init__(self, message: str, *, images: Sequence[Any], missing: Sequence[str]) -> None:
        super().__init__(message, images=images, missing=tuple(missing))


class OperationFailedError(LxdImageError):
    """Background work of the server failed; see `operation_id` and `reason`."""

    operation_id: str
    reason: str

    def __init__(self, message: str, *, operation_id: str = "", reason: str = "") -> None:
        super().__init__(message, operation_id=operation_id, reason=redact(reason[:MAX_MESSAGE]))


class OperationTimeoutError(LxdImageError):
    """The operation is still running on the server; it was not cancelled."""

    operation_id: str

    def __init__(self, message: str, *, operation_id: str = "") -> None:
        super().__init__(message, operation_id=operation_id)


class OperationCancelledError(LxdImageError):
    """The work was cancelled, here or on the server."""


class MissingExtensionError(LxdImageError):
    """The server is too old, too new or the other product; `extension` names the API extension it lacks."""

    extension: str

    def __init__(self, message: str, *, extension: str) -> None:
        super().__init__(message, extension=extension)


class FingerprintMismatchError(LxdImageError):
    """The bytes are not those of the requested image."""

    expected: str
    actual: str

    def __init__(self, message: str, *, expected: str, actual: str) -> None:
        super().__init__(message, expected=expected, actual=actual)


class InvalidImageError(LxdImageError):
    """The file is not an image that a server would take."""


class InvalidRequestError(LxdImageError, ValueError):
    """The call itself is wrong; nothing was sent to the server."""
