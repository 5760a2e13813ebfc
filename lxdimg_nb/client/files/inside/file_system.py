"""A file system that is read by path, with its symbolic links followed inside it."""

from __future__ import annotations

from typing import Protocol

__all__ = ["MAX_PATH", "FileSystem", "read_file", "resolve"]

# As Linux: MAXSYMLINKS and PATH_MAX.
MAX_LINKS = 40
MAX_PATH = 4096


class FileSystem(Protocol):
    """A file system. Paths are relative to its root, without `.`, `..` and symbolic links but for the last part."""

    def readlink(self, path: str) -> str | None:
        """Where a symbolic link points; None for what is none."""

    def read(self, path: str, size: int) -> bytes | None:
        """The first bytes of a regular file; None for what is none."""


def resolve(files: FileSystem, path: str) -> str | None:
    """The path with every symbolic link followed, none of which leads out of the root; None where they go in circles.

    What does not exist is taken for no link. The root is the empty path.
    """
    found: list[str] = []
    left = path.split("/")[::-1]
    links = 0
    while left:
        part = left.pop()
        if part in ("", "."):
            continue
        if part == "..":
            del found[-1:]
            continue
        found.append(part)
        target = files.readlink("/".join(found))
        if target is None:
            continue
        links += 1
        if links > MAX_LINKS or len(target) > MAX_PATH:
            return None
        found = [] if target.startswith("/") else found[:-1]
        left += target.split("/")[::-1]
    return "/".join(found)


def read_file(files: FileSystem, path: str, size: int) -> tuple[str, bytes] | None:
    """The file that a path leads to, and its first bytes; None when there is none."""
    real = resolve(files, path)
    content = files.read(real, size) if real else None
    return None if real is None or content is None else (real, content)
