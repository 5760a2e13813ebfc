"""How long releases get security updates without a contract: a dated table, nothing is looked up online.

A release that is not in the table is unknown. A month without a day means its last day.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date

__all__ = ["AS_OF", "STATES", "Support", "support"]

AS_OF = date(2025, 10, 1)
"""The date of the table; Ubuntu and Debian are half a year newer, see below."""

STATES = ("supported", "extended", "ended", "rolling", "unknown")

# A release and its other names: end of support, then the end of longer support if that is free for everybody.
# Ubuntu and Debian (with its LTS) agree with Debian's package distro-info-data of 2026-04-25. The others are the
# calendars that the projects had published by AS_OF, written down from knowledge and not looked up online. If only
# the month is certain, only the month is given; releases that are uncertain are left out.
_TABLE = """
ubuntu
  trusty 14.04: 2019-04-25
  xenial 16.04: 2021-04-30
  bionic 18.04: 2023-05-31
  disco 19.04: 2020-01-23
  eoan 19.10: 2020-07-17
  focal 20.04: 2025-05-29
  groovy 20.10: 2021-07-22
  hirsute 21.04: 2022-01-20
  impish 21.10: 2022-07-14
  jammy 22.04: 2027-06-01
  kinetic 22.10: 2023-07-20
  lunar 23.04: 2024-01-25
  mantic 23.10: 2024-07-11
  noble 24.04: 2029-05-31
  oracular 24.10: 2025-07-10
  plucky 25.04: 2026-01-15
  questing 25.10: 2026-07-09
  resolute 26.04: 2031-05-29
  stonking 26.10: 2027-07-15
debian
  wheezy 7: 2016-04-25 2018-05-31
  jessie 8: 2018-06-17 2020-06-30
  stretch 9: 2020-07-18 2022-06-30
  buster 10: 2022-09-10 2024-06-30
  bullseye 11: 2024-08-14 2026-08-31
  bookworm 12: 2026-07-11 2028-06-30
  trixie 13: 2028-08-09 2030-06-30
  sid unstable: rolling
alpine
  3.10: 2021-05-01
  3.11: 2021-11-01
  3.12: 2022-05-01
  3.13: 2022-11-01
  3.14: 2023-05-01
  3.15: 2023-11-01
  3.16: 2024-05-23
  3.17: 2024-11-22
  3.18: 2025-05-09
  3.19: 2025-11-01
  3.20: 2026-04-01
  3.21: 2026-11-01
  3.22: 2027-05-01
  edge: rolling
fedora
  35: 2022-12-13
  36: 2023-05-16
  37: 2023-12-05
  38: 2024-05-21
  39: 2024-11-26
  40: 2025-05-13
  41: 2025-12
  42: 2026-05
  rawhide: rolling
centos
  6: 2020-11-30
  7: 2024-06-30
  8: 2021-12-31
  8-stream: 2024-05-31
  9-stream: 2027-05-31
rockylinux
  8: 2029-05-31
  9: 2032-05-31
  10: 2035-05-31
almalinux
  8: 2029-03-01
  9: 2032-05-31
  10: 2035-05-31
oracle
  7: 2024-12
  8: 2029-07
  9: 2032-06
amazonlinux
  2: 2026-06-30
opensuse
  15.3: 2022-12-31
  15.4: 2023-12-07
  15.5: 2024-12-31
  15.6: 2026-04-30
  tumbleweed: rolling
nixos
  23.11: 2024-06-30
  24.05: 2024-12-31
  24.11: 2025-06-30
  25.05: 2025-12-31
  unstable: rolling
archlinux
  *: rolling
gentoo
  *: rolling
voidlinux
  *: rolling
kali
  *: rolling
"""

_NAMES = {
    "alma": "almalinux",
    "alpinelinux": "alpine",
    "arch": "archlinux",
    "kalilinux": "kali",
    "opensuseleap": "opensuse",
    "oraclelinux": "oracle",
    "rocky": "rockylinux",
    "void": "voidlinux",
}


@dataclass(frozen=True, slots=True)
class Support:
    """Support of a release: one of STATES (`extended`: only the longer one), and the end of the longest support."""

    status: str
    until: date | None = None


def _read() -> dict[tuple[str, str], tuple[date, ...]]:
    found: dict[tuple[str, str], tuple[date, ...]] = {}
    system = ""
    for line in _TABLE.strip().splitlines():
        if not line.startswith(" "):
            system = line
            continue
        names, _, ends = line.strip().rpartition(": ")
        dates = () if ends == "rolling" else tuple(_end(text) for text in ends.split())
        found.update({(system, name): dates for name in names.split()})
    return found


def _end(text: str) -> date:
    if len(text) == 7:
        year, month = int(text[:4]), int(text[5:])
        return date(year, month, calendar.monthrange(year, month)[1])
    return date.fromisoformat(text)


_SUPPORT = _read()


def _spellings(releases: list[str]) -> list[str]:
    """As written, then without point releases: 12.5 is 12, 3.20.1 is 3.20."""
    found = [release.strip().lower()[:64] for release in releases]
    shorter = [release.rsplit(".", cut)[0] for cut in (1, 2) for release in found if release.count(".") >= cut]
    return [*found, *shorter]


def support(system: str | None, releases: list[str], on: date) -> Support:
    """Look up the support of a release on a day.

    Args:
        system: the property `os`.
        releases: names of the release in any spelling: `noble`, `24.04`, `9-Stream`.
        on: the day.
    """
    name = re.sub(r"[^a-z0-9]", "", (system or "").lower()[:64])
    name = _NAMES.get(name, name)
    for release in [*_spellings(releases), "*"]:
        dates = _SUPPORT.get((name, release))
        if dates is None:
            continue
        if not dates:
            return Support("rolling")
        if on <= dates[0]:
            return Support("supported", dates[-1])
        return Support("extended" if on <= dates[-1] else "ended", dates[-1])
    return Support("unknown")
