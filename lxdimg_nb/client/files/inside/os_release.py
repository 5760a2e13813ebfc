"""`/etc/os-release`: which system a root file system holds."""

from __future__ import annotations

import re
import shlex

__all__ = ["MAX_SIZE", "parse_os_release"]

MAX_SIZE = 64 * 1024

_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def parse_os_release(content: bytes) -> dict[str, str]:
    """The assignments, without quotes; what is no assignment is left out. Source: os-release(5)."""
    found = {}
    for line in content[:MAX_SIZE].decode("utf-8", "replace").splitlines():
        match = _LINE.fullmatch(line.strip())
        if match is None:
            continue
        try:
            words = shlex.split(match[2])
        except ValueError:
            continue
        found[match[1]] = " ".join(words).split("\0")[0]
    return found
