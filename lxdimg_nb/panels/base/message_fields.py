"""Reads the fields of a browser's message: whatever was sent, the value has the type that is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["int_field", "names_field", "str_field", "str_list_field"]

_NAME = re.compile(r"""(?:^|(?<=[\s,]))(?:"([^"]*)"|'([^']*)')(?=[\s,]|$)|([^\s,]+)""")


def str_field(content: Mapping[str, Any], name: str) -> str:
    """Return a text of at most 4096 characters; empty if it is missing or something else."""
    value = content.get(name)
    return value[:4096] if isinstance(value, str) else ""


def names_field(content: Mapping[str, Any], name: str) -> list[str]:
    """Return the names in a text, separated by spaces or commas; quotes are for a name that contains these."""
    found = _NAME.finditer(str_field(content, name))
    return [text for match in found if (text := match[1] or match[2] or match[3] or "")]


def str_list_field(content: Mapping[str, Any], name: str) -> list[str]:
    """Return the texts of a list."""
    value = content.get(name)
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


def int_field(content: Mapping[str, Any], name: str) -> int:
    """Return an integer; 0 if it is missing or something else."""
    value = content.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
