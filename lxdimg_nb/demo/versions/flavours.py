"""The versions of LXD and Incus that the demo server imitates; the rest of it asks these instead of comparing names.

Source: LXD 5.0.2 and Incus 6.0.4 (Debian), request by request; the others as `facts.py` says. Their API extensions are
those of `GET /1.0` of 5.0.2, Debian trixie's LXD, 6.0.4, 7.0.2 and 7.5.1, else those in `version/api.go` at the tag.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .facts import Fact
from .ranges import Version, covers, version_numbers

__all__ = ["INCUS", "KNOWN", "LXD", "NEVER", "Flavour", "flavour_named"]

NEVER = "0001-01-01T00:00:00Z"
"""Go's zero time: "never" as time of last use, and as expiry on Incus and of published images."""


@dataclass(frozen=True)
class Flavour:
    """One imitated version of one product.

    Attributes:
        name: as `--as` takes it, for example `lxd-6.9`.
        product: `lxd` or `incus`, as `environment.server` says it.
        version: `environment.server_version`.
        position: its place among the versions of the product.
    """

    name: str
    product: str
    version: str
    position: Version

    @property
    def is_incus(self) -> bool:
        """Whether it behaves as Incus does wherever the two products differ in all versions."""
        return self.product == "incus"

    @property
    def title(self) -> str:
        """The name of the product in prose."""
        return "Incus" if self.is_incus else "LXD"

    @property
    def prefix(self) -> str:
        """How its request headers begin, as in `X-LXD-public`."""
        return f"X-{self.title}-"

    @property
    def no_expiry(self) -> str:
        """`expires_at` of an upload without an expiry date."""
        return NEVER if self.is_incus else "1970-01-01T00:00:00Z"

    @cached_property
    def extensions(self) -> list[str]:
        """The names of the API extensions it announces."""
        file = Path(__file__).parent / "data" / f"{self.product}-extensions.txt"
        lines = (line.partition(" ") for line in file.read_text(encoding="ascii").splitlines())
        return [name for name, _, marks in lines if covers(marks or "all", self.position)]

    def does(self, fact: Fact) -> bool:
        """Whether a fact is true of it."""
        if fact.extension:
            return fact.extension in self.extensions
        return covers(fact.incus if self.is_incus else fact.lxd, self.position)


TRIXIE = "5.0.2+git20231211"
"""Debian trixie's LXD: a snapshot on the way to 5.0.3, which calls itself 5.0.2."""
_LXD = ["5.0.2", TRIXIE, "5.0.9", *(f"5.21.{n}" for n in range(8)), *(f"6.{n}" for n in range(1, 10))]
_INCUS = ["6.0.4", "6.0.6", *(f"6.{n}" for n in range(1, 24)), "7.0.0", "7.0.1", "7.0.2", "7.1", "7.2", "7.3", "7.5"]
_SHOWN = {TRIXIE: "5.0.2", "7.5": "7.5.1"}
_POSITIONS = {TRIXIE: (5, 0, 2, 1)}
# A product alone, or a series of it, is its newest version here; those that Debian ships come first.
_SERIES = {
    "lxd": "lxd-5.0.2",
    "lxd-5.0": "lxd-5.0.2",
    "lxd-trixie": f"lxd-{TRIXIE}",
    "lxd-5.21": "lxd-5.21.7",
    "lxd-6": "lxd-6.9",
    "incus": "incus-6.0.4",
    "incus-6.0": "incus-6.0.4",
    "incus-6": "incus-6.23",
    "incus-7.0": "incus-7.0.2",
    "incus-7": "incus-7.5",
    "incus-7.5.1": "incus-7.5",
}


def _flavour(product: str, version: str) -> Flavour:
    position = _POSITIONS.get(version, version_numbers(version))
    return Flavour(f"{product}-{version}", product, _SHOWN.get(version, version), position)


KNOWN: dict[str, Flavour] = {
    one.name: one for one in (*(_flavour("lxd", text) for text in _LXD), *(_flavour("incus", text) for text in _INCUS))
}
"""All of them by name, oldest first."""
LXD, INCUS = KNOWN["lxd-5.0.2"], KNOWN["incus-6.0.4"]


def flavour_named(name: str) -> Flavour:
    """The flavour of this name: a product, a product and a version, or one of its series.

    Raises:
        ValueError: there is none; the message names all.
    """
    found = KNOWN.get(_SERIES.get(name, name))
    if found is None:
        known = ", ".join(KNOWN)
        raise ValueError(f"no demo server imitates {name!r}; say 'lxd', 'incus' or one of {known}")
    return found
