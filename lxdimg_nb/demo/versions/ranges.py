"""Ranges of versions in one word or more: `6.5+`, `5.21.4+`, `5.20-6.4`, `!6.0.5+`, `all`.

LXD and Incus are released from a main line, with two numbers (6.5), and maintained in long-term series whose
releases have three (5.21.4). A mark with two numbers speaks of the main line, and of every series that left it later;
one with three speaks of the releases of its own series.
"""

from __future__ import annotations

import re
from functools import cache

__all__ = ["Version", "covers", "version_numbers"]

Version = tuple[int, ...]


def version_numbers(text: str) -> Version:
    """The numbers of a version: `5.21.4` is (5, 21, 4)."""
    return tuple(int(part) for part in re.findall(r"\d+", text))


@cache
def covers(marks: str, version: Version) -> bool:
    """Whether a version lies in one of the ranges, and in none that begins with `!`.

    Args:
        marks: ranges separated by spaces; `all` is every version.
        version: two numbers, or three and more for a release of a long-term series.
    """
    words = marks.split()
    wanted = any(_covers(word, version) for word in words if not word.startswith("!"))
    return wanted and not any(_covers(word[1:], version) for word in words if word.startswith("!"))


def _covers(word: str, version: Version) -> bool:
    if word == "all":
        return True
    first, dash, last = word.rstrip("+").partition("-")
    start = version_numbers(first)
    end = version_numbers(last) if dash else None if word.endswith("+") else start
    if len(start) == 2:
        return start <= version[:2] and (end is None or version[:2] <= end)
    return version[:2] == start[:2] and start <= version and (end is None or version <= end)
