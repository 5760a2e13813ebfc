"""What a history keeps of texts that look secret, and that a difference to it is no change."""

from __future__ import annotations

import re
from typing import Any

from lxdimg_nb.errors import redact
from lxdimg_nb.inventory.frame import schema

__all__ = ["is_redaction", "redacted", "redacted_property"]

_SECRET_KEY = re.compile(r"secret|token|passw|credential|private|certificate", re.IGNORECASE)
_PEM = re.compile(r"-----BEGIN [A-Z ]{1,40}-----")
_LOGIN = re.compile(r"(\w://)[^/@\s]+@")
_LEFT_OUT = "(left out)"


def redacted(text: str) -> str:
    """A text without logins in addresses, secrets in queries, and PEM blocks."""
    return _LEFT_OUT if _PEM.search(text) else _LOGIN.sub(r"\1", redact(text))


def redacted_property(key: str, value: str) -> str:
    """A property's value without secrets; nothing of it where its key says that it is one."""
    return _LEFT_OUT if _SECRET_KEY.search(key) else redacted(value)


def is_redaction(column: str, a: Any, b: Any) -> bool:
    """Whether one of two values of a column is what a history keeps of the other."""
    if not (isinstance(a, str) and isinstance(b, str)):
        return False
    key = column.removeprefix(schema.PROPERTY)
    keep = redacted if key == column else lambda value: redacted_property(key, value)
    return keep(a) == b or a == keep(b)
