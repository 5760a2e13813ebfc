"""Names that newer Incus accepts for aliases, and without slashes for projects and profiles.

Source: shared/validate/validate.go of lxc/incus, IsAPIName, v6.16.0 and v7.0.0; replies of Incus 7.0.2.
"""

from __future__ import annotations

import re

__all__ = ["fault_of_name"]

_ENDS = re.compile(r"[a-zA-Z0-9]+(.*[a-zA-Z0-9]+)?")


def fault_of_name(name: str, *, slashes: bool) -> str:
    """Why Incus refuses a name, in its words; empty if it does not."""
    if len(name.encode("utf-8", "replace")) > 64:
        return "Maximum name length is 64 characters"
    if any(letter.isspace() for letter in name):
        return "Name cannot contain white space"
    for letter in "$?&+\"'`*" if slashes else "$?&+\"'`*/":
        if letter in name:
            shown = '"\\""' if letter == '"' else f'"{letter}"'
            return f"Name contains invalid character {shown}"
    return "" if _ENDS.fullmatch(name) else "Names must start and end with an alphanumeric character"
