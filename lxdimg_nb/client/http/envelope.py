"""A reply's JSON envelope: metadata, an operation, or an error."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from lxdimg_nb.errors import ApiError, ConflictError, NotAllowedError, NotFoundError, UnexpectedReplyError
from lxdimg_nb.text.secret import hide_values

__all__ = ["Reply", "is_envelope", "parse_clock_offset", "parse_error", "parse_json", "parse_reply"]

HIDDEN_FRAMES = True

_ERRORS: Mapping[int, type[ApiError]] = {
    401: NotAllowedError,
    403: NotAllowedError,
    404: NotFoundError,
    409: ConflictError,
    412: ConflictError,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful envelope: its metadata, which is not shown, and facts from the headers."""

    metadata: Any = field(repr=False)
    status_code: int
    etag: str = ""
    operation: str = ""

    def document(self, what: str) -> dict[str, Any]:
        """The metadata of a reply about one thing.

        Args:
            what: what it describes, for the error: `a project`.

        Raises:
            UnexpectedReplyError: it is no object.
        """
        if not isinstance(self.metadata, dict):
            raise _odd(self.metadata, what)
        return self.metadata

    def rows(self, what: str) -> list[Any]:
        """The metadata of a reply that lists something; servers send an empty list where there is nothing.

        Raises:
            UnexpectedReplyError: it is no list.
        """
        if not isinstance(self.metadata, list):
            raise _odd(self.metadata, f"a list of {what}")
        return self.metadata

    def documents(self, what: str) -> list[dict[str, Any]]:
        """As `rows`, of a list of objects.

        Raises:
            UnexpectedReplyError: it is no list, or something else is in it.
        """
        rows = self.rows(what)
        for row in rows:
            if not isinstance(row, dict):
                raise _odd(row, f"one of {what}")
        return rows


def _odd(found: object, due: str) -> UnexpectedReplyError:
    kinds = {type(None): "null", bool: "true or false", str: "a text", list: "a list", dict: "an object"}
    kind = kinds.get(type(found), "a number")
    return UnexpectedReplyError(f"the server sent {kind} where {due} was due; is it LXD or Incus?")


def parse_json(content: bytes | bytearray) -> Any:
    """The content of a reply; in the operation of a token, the secret is a `Secret`.

    Raises:
        ValueError, RecursionError: it is no JSON, or too deep.
    """
    hook = hide_values if b'"secret"' in content and b'"token"' in content else None
    return jsonlib.loads(content, object_hook=hook)


def is_envelope(data: object) -> bool:
    """Whether this is what LXD and Incus send."""
    return isinstance(data, dict) and data.get("type") in ("sync", "async", "error")


def parse_reply(envelope: Mapping[str, Any], status_code: int, headers: Mapping[str, str]) -> Reply:
    """The reply in an envelope.

    Raises:
        ApiError: it holds an error, which may come with HTTP 200.
    """
    if envelope["type"] == "error" or status_code >= 400:
        raise parse_error(envelope, status_code)
    return Reply(
        metadata=envelope.get("metadata"),
        status_code=status_code,
        etag=headers.get("Etag", ""),
        operation=str(envelope.get("operation") or "") if envelope["type"] == "async" else "",
    )


def parse_clock_offset(headers: Mapping[str, str]) -> float:
    """Seconds that the clock of a server is ahead of this machine's, to some 1 s; 0 where it does not say."""
    try:
        moment = parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    if not 1970 <= moment.year < 9999:
        return 0.0
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return (moment - datetime.now(UTC)).total_seconds()


def parse_error(envelope: Mapping[str, Any], status_code: int) -> ApiError:
    """The error in an envelope. Its class follows from the code; its message holds the server's text."""
    code = envelope.get("error_code")
    code = code if isinstance(code, int) and code >= 400 else status_code
    text = str(envelope.get("error") or f"HTTP {code}")[:2000]
    message = f"the server says: {text}"
    if code in (401, 403):
        message += "; this connection may not do that: enroll(…) with a trust token, or work in another project"
    return _ERRORS.get(code, ApiError)(message, status_code=code, server_text=text)
