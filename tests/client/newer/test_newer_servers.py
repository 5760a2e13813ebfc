"""The client on servers that speak other versions: every fact of the demo's table, where it holds and where not.

A long run asks one version of each dialect about every fact; else each fact is tried on the newest version that shows
it and on the oldest that does not, of the product that it is about.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

import lxdimg_nb
from lxdimg_nb import Client
from lxdimg_nb.demo.versions.facts import FACTS
from lxdimg_nb.demo.versions.flavours import INCUS, KNOWN, LXD, Flavour, flavour_named
from tests.client.newer import connection_cases, creation_cases, image_cases, operation_cases
from tests.client.newer.cases import CASES
from tests.kit import counts, newer
from tests.kit.servers import RunningServer
from tests.kit.spoken import demos, spoken

__all__ = ["demos", "spoken"]


def _sides(name: str) -> list[str]:
    fact = FACTS[name]
    if counts.long_run():
        return [LXD.name, INCUS.name, *(flavour_named(version).name for version in newer.VERSIONS)]
    both = [[one.name for one in KNOWN.values() if one.does(fact) is holds] for holds in (True, False)]
    # The other side of the same product where it has one.
    product = next(p for p in ("lxd", "incus") if any(n.startswith(p) for n in both[0]))
    without = [n for n in both[1] if n.startswith(product)] or both[1]
    return [both[0][-1], without[0]]


REGISTERED = (connection_cases, creation_cases, image_cases, operation_cases)
ASKED = [(name, version) for name in FACTS for version in _sides(name)]


def flavour(version: str) -> Flavour:
    return KNOWN[version]


@pytest.mark.parametrize(("name", "version"), ASKED)
def test_the_client_works_whether_a_fact_holds_or_not(name: str, version: str, spoken: RunningServer) -> None:
    holds = flavour(version).does(FACTS[name])

    with lxdimg_nb.connect(spoken.url) as client:
        CASES[name](spoken, client, holds)

    assert spoken.alive
    counts.count("dialects", inputs=1)


def test_every_fact_has_its_case() -> None:
    assert set(CASES) == set(FACTS)


def test_a_case_notices_a_server_that_speaks_otherwise(demos: Callable[[str], RunningServer]) -> None:
    """The canary: each case is told the opposite of what holds, and must fail."""
    version = "incus-7.5"
    running, missed = demos(version), []
    for name in ("LOCATIONS", "SMALL_BODIES", "ALIAS_NAMES", "EMPTY_METADATA", "YAML_CONSTRUCTS"):
        running.clean()
        with (
            lxdimg_nb.connect(running.url) as client,
            contextlib.suppress(AssertionError, lxdimg_nb.LxdImageError, pytest.fail.Exception),
        ):
            CASES[name](running, client, not flavour(version).does(FACTS[name]))
            missed.append(name)

    assert not missed


@pytest.mark.parametrize("version", [LXD.name, INCUS.name] if not counts.long_run() else list(KNOWN))
def test_a_server_is_what_it_says(version: str, spoken: RunningServer) -> None:
    with lxdimg_nb.connect(spoken.url) as client:
        _says(client, flavour(version))


def _says(client: Client, spoken: Flavour) -> None:
    assert (client.info.product, client.info.version) == (spoken.product, spoken.version)
    assert client.info.extensions == frozenset(spoken.extensions)
