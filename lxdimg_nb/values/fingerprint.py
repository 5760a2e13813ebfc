"""Fingerprints, the SHA-256 identities of images."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lxdimg_nb.text.display import sanitize

__all__ = ["FINGERPRINT", "fingerprints", "short_fingerprint"]

FINGERPRINT = re.compile(r"^[0-9a-f]{64}\Z")


def short_fingerprint(fingerprint: object) -> str:
    """The first 12 characters, as `lxc image list` shows them."""
    return sanitize(str(fingerprint)[:12])


def fingerprints(urls: Iterable[object]) -> list[str]:
    """The fingerprints in the URLs of images, as in the `used_by` of a project or a list without recursion."""
    found = (re.search(r"^/1\.0/images/([0-9a-f]{64})(?:\?.*)?$", url) for url in urls if isinstance(url, str))
    return [match[1] for match in found if match]
