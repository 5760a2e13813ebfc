"""Texts that do not show themselves where all local variables are shown, as in a verbose traceback."""

from __future__ import annotations

import re
from typing import TypeVar, cast

__all__ = ["Secret", "hide_address", "hide_values"]

# A name and password, or a query, which may be a signature or a one-time secret.
_PRIVATE_ADDRESS = re.compile(r"^[^/?#]*//[^/?#]*@|\?")

_PRIVATE_KEY = re.compile(r"secret|token|password", re.IGNORECASE)

T = TypeVar("T")


class Secret(str):
    """A text like any other, whose repr is `'***'`. What is cut out of it is a plain text again."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def hide_address(address: T) -> T | Secret:
    """The address, as a `Secret` if there is a password or a query in it; what is no text stays as it is."""
    private = isinstance(address, str) and _PRIVATE_ADDRESS.search(address)
    return Secret(address) if private else address


def hide_values(mapping: T) -> T:
    """A dict with the texts below keys such as `secret` and `password` as `Secret`; anything else as it is."""
    if not isinstance(mapping, dict):
        return mapping
    hidden = {
        key: Secret(value) if isinstance(value, str) and _PRIVATE_KEY.search(str(key)) else value
        for key, value in mapping.items()
    }
    return cast(T, hidden)
