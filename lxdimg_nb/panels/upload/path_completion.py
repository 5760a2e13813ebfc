"""Completes paths on the kernel's machine while the user types."""

from __future__ import annotations

import os
from itertools import islice

__all__ = ["complete_path"]

# A folder of a million files is not read to its end.
MAX_ENTRIES = 5_000
MAX_PATHS = 40


def complete_path(text: str) -> list[str]:
    """Return folders (with a slash at the end) and readable files that begin like a text, in order.

    Names that begin with a dot are left out unless the dot was typed. Nothing is opened, and links are followed
    only to see whether they lead to a folder.
    """
    if not text.strip() or "\0" in text:
        return []
    head, _, start = text.rpartition("/")
    folder = os.path.expanduser(f"{head}/" if head or text.startswith("/") else ".")
    try:
        with os.scandir(folder) as entries:
            found = [
                name
                for entry in islice(entries, MAX_ENTRIES)
                if entry.name.startswith(start) and entry.name.startswith(".") <= start.startswith(".")
                if (name := _shown_name(entry)).isprintable() and name
            ]
    except (OSError, ValueError):
        return []
    prefix = text[: len(text) - len(start)]
    return [prefix + name for name in sorted(found)[:MAX_PATHS]]


def _shown_name(entry: os.DirEntry[str]) -> str:
    try:
        if entry.is_dir():
            return f"{entry.name}/" if os.access(entry.path, os.R_OK | os.X_OK) else ""
        return entry.name if entry.is_file() and os.access(entry.path, os.R_OK) else ""
    except OSError:
        return ""
