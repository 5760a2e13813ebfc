"""Exceptions that end a request: an error reply, or a connection that is closed without one."""

from __future__ import annotations

__all__ = ["Dropped", "Refusal"]


class Refusal(Exception):  # noqa: N818 - an answer of the API, not a bug
    """An error reply.

    Attributes:
        code: `error_code` of the envelope.
        text: `error` of the envelope.
        status: the HTTP status; the code by default.
    """

    def __init__(self, code: int, text: str, *, status: int | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.status = code if status is None else status


class Dropped(Exception):  # noqa: N818 - as above
    """The connection closes without a reply, as after a panic in a Go handler."""
