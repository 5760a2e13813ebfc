"""The differences between the LXD and the Incus that the demo server imitates, in one table.

The rest of the demo server uses these values instead of comparing product names.

Source: LXD 5.0.2 and Incus 6.0.4 (Debian), request by request; the extension lists are their `GET /1.0`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["INCUS", "LXD", "NEVER", "Flavour", "flavour_named"]

NEVER = "0001-01-01T00:00:00Z"
"""Go's zero time: "never" as time of last use, and as expiry on Incus and of published images."""


@dataclass(frozen=True)
class Flavour:
    """One imitated product.

    Attributes:
        product: `lxd` or `incus`, as `environment.server` says it.
        title: the name in prose, as in the description of the default project.
        version: `environment.server_version`.
        prefix: how its request headers begin, as in `X-LXD-public`.
        no_expiry: `expires_at` of an upload without an expiry date.
        alias_escapes: how many times alias names are percent-escaped in URLs.
        is_incus: whether it behaves as Incus does wherever the two differ otherwise.
    """

    product: str
    title: str
    version: str
    prefix: str
    no_expiry: str
    alias_escapes: int
    is_incus: bool

    @property
    def extensions(self) -> list[str]:
        """The names of the API extensions the imitated version announces."""
        file = Path(__file__).with_name("data") / f"{self.product}-extensions.txt"
        return file.read_text(encoding="ascii").split()


LXD = Flavour("lxd", "LXD", "5.0.2", "X-LXD-", "1970-01-01T00:00:00Z", 2, is_incus=False)
INCUS = Flavour("incus", "Incus", "6.0.4", "X-Incus-", NEVER, 1, is_incus=True)


def flavour_named(product: str) -> Flavour:
    """The flavour for `lxd` or `incus`.

    Raises:
        ValueError: for any other name.
    """
    for flavour in (LXD, INCUS):
        if flavour.product == product:
            return flavour
    raise ValueError(f"no demo server imitates {product!r}; say 'lxd' or 'incus'")
