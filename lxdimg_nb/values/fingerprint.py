"""Short fingerprints for people."""

from __future__ import annotations

from lxdimg_nb.text.display import sanitize

__all__ = ["short_fingerprint"]


def short_fingerprint(fingerprint: object) -> str:
    """The first 12 characters, as `lxc image list` shows them."""
    return sanitize(str(fingerprint)[:12])
