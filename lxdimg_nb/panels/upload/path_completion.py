"""Paths on the kernel's machine, completed as one types."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["completed"]

# A folder of a million files is not read to its end.
LOOKED_AT = 5_000
SHOWN = 40


def completed(text: str) -> list[str]:
    """Folders (with a slash at the end) and readable files that begin like this, in order, at most forty.

    What begins with a dot is only shown when the dot was typed. Nothing is opened and no link is followed
    further than to see whether it is a folder.
    """
    if not text.strip() or "\0" in text:
        return []
    head, _, start = text.rpartition("/")
    folder = Path(f"{head}/" if head or text.startswith("/") else ".").expanduser()
    found = []
    try:
        with os.scandir(folder) as entries:
            for _, entry in zip(range(LOOKED_AT), entries, strict=False):
                if entry.name.startswith(start) and entry.name.startswith(".") <= start.startswith("."):
                    word = _word(entry)
                    if word and word.isprintable():
                        found.append(word)
    except OSError:
        return []
    prefix = text[: len(text) - len(start)]
    return [prefix + word for word in sorted(found)[:SHOWN]]


def _word(entry: os.DirEntry[str]) -> str:
    try:
        if entry.is_dir():
            return f"{entry.name}/" if os.access(entry.path, os.R_OK | os.X_OK) else ""
        return entry.name if entry.is_file() and os.access(entry.path, os.R_OK) else ""
    except OSError:
        return ""
