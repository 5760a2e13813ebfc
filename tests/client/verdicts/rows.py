"""The rows of the table of verdicts: a file, what each server does with it, and what `images.check()` says about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.kit import factory

Verdict = Literal["taken", "refused"]

ARCHITECTURE = "architecture: x86_64\n"
DATE = "creation_date: 1700000000\n"
HEAD = ARCHITECTURE + DATE


@dataclass(frozen=True)
class Row:
    """A file before the servers and before `check()`.

    Attributes:
        data: a unified image, or with `metadata` the root file system of a split one.
        metadata: the metadata tarball of a split image.
        lxd: what LXD 5.0.2 does with it.
        incus: what Incus 6.0.4 does with it.
        says: is in a problem if `problem`, else in a note; empty: there is no problem.
        problem: whether `check()` tells of a problem.
        usable: whether an instance can be made of it once it was taken; None: it is not tried.
    """

    data: bytes
    metadata: bytes | None = None
    lxd: Verdict = "taken"
    incus: Verdict = "taken"
    says: str = ""
    problem: bool = False
    usable: bool | None = None


def unified(document: str | bytes) -> bytes:
    """A container's tarball with this metadata.yaml."""
    content = document if isinstance(document, bytes) else document.encode()
    return factory.compress(factory.tar({"metadata.yaml": content, "rootfs/": b"", "rootfs/id": b"0\n"}))


def taken(data: bytes, says: str = "", *, metadata: bytes | None = None) -> Row:
    """Both servers take it, and an instance can be made of it as far as is known."""
    return Row(data, metadata, says=says)


def refused(data: bytes, says: str, *, metadata: bytes | None = None) -> Row:
    """Both servers refuse it, and so does `check()`."""
    return Row(data, metadata, "refused", "refused", says, problem=True)


def useless(data: bytes, says: str, *, metadata: bytes | None = None, usable: bool | None = None) -> Row:
    """Both servers take it although nothing can be made of it; `check()` says so."""
    return Row(data, metadata, says=says, problem=True, usable=usable)
