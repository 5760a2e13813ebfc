"""One fleet of servers that speak different versions of LXD and Incus: read, compared, planned, copied between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb import Client, Fleet, History
from lxdimg_nb.demo.versions.flavours import KNOWN
from lxdimg_nb.errors import LxdImageError
from tests.kit import counts, factory
from tests.kit.servers import RunningServer
from tests.kit.spoken import demos, spoken, versions

__all__ = ["demos", "spoken"]

pytestmark = pytest.mark.slow
SAME, SPLIT = factory.fingerprint(factory.small(1)), factory.fingerprint(*factory.split(2))
Crew = dict[str, tuple[RunningServer, Client]]


def pairs() -> list[tuple[str, str]]:
    """From which version to which: each to the next one, in a long run to five others as well."""
    names = versions()
    steps = (1, 7, 16, 26, 35, len(names) - 1) if counts.long_run() else (1,)
    return [(name, names[(i + step) % len(names)]) for i, name in enumerate(names) for step in steps]


@pytest.fixture
def crew(demos: Callable[[str], RunningServer]) -> Iterator[Crew]:
    """A server of each version with one image that all have, and its client."""
    made: Crew = {}
    for name in versions():
        server = demos(name)
        server.clean()
        server.add_image(factory.small(1), aliases=["web"])
        made[name] = server, lxdimg_nb.connect(server.url)
    yield made
    for _, client in made.values():
        client.close()


def test_all_versions_are_one_frame_and_one_plan(crew: Crew, tmp_path: Path) -> None:
    first, last = next(iter(crew)), list(crew)[-1]
    own = crew[first][0].add_image(factory.small(3), aliases=["own"], properties={"note": "first"})
    fleet = Fleet({name: client for name, (_, client) in crew.items()})
    history = History(tmp_path / "history")

    before = fleet.df(used_by=True)
    history.record(before)
    assert (fleet.status()["state"] == "ok").all()
    assert list(fleet.status()["version"]) == [KNOWN[name].version for name in crew]
    assert fleet.drift().loc["web", "state"] == "same"
    assert fleet.drift(by="image").loc[own, "state"] == "missing"
    assert len(before) == len(crew) + 1
    assert (before.xs(SAME, level="fingerprint")["size"] == len(factory.small(1))).all()

    changes = lxdimg_nb.plan.set(before, properties={"team": "blue"}, expires_at="2031-01-31")
    copies = lxdimg_nb.plan.copy(before, to=last, source=first, filter="alias=own", copy_aliases=True)
    clients = {name: client for name, (_, client) in crew.items()}
    for plan in (changes, copies):
        receipts = plan.apply(clients, confirm=True)
        assert (receipts["state"] == "done").all(), receipts
    history.record(fleet.df(used_by=True))

    for server, _ in crew.values():
        image = server.get(f"images/{SAME}")
        assert (image["properties"]["team"], image["expires_at"][:10]) == ("blue", "2031-01-31")
    assert crew[last][0].get("images/aliases/own")["target"] == own
    found = history.diff()
    assert len(found[found["change"] == "added"]) == 1
    assert set(found[found["change"] == "changed"]["field"]) == {"properties.team", "expires_at"}
    counts.count("versions in one fleet", inputs=len(crew))


@pytest.mark.parametrize(("version", "other"), pairs())
def test_images_are_copied_between_versions(
    demos: Callable[[str], RunningServer], spoken: RunningServer, version: str, other: str
) -> None:
    target = demos(other)
    target.clean()
    for fingerprint in (spoken.add_image(factory.small(1), aliases=["web"]), spoken.add_image(factory.split(2))):
        spoken.raw("PATCH", f"/1.0/images/{fingerprint}", json={"properties": {"note": "mine"}})
    ways = ["pull", "relay", "push"] if spoken.product == target.product else ["pull", "relay"]

    with lxdimg_nb.connect(spoken.url) as source, lxdimg_nb.connect(target.url) as there:
        for way in ways:
            for fingerprint in (SAME, SPLIT):
                copy = source.images.get(fingerprint).copy(there, mode=way, aliases=f"a-{fingerprint[:4]}")
                assert (copy.fingerprint, copy.public, len(copy.aliases)) == (fingerprint, False, 1)
                assert copy.export() == factory.small(1) if fingerprint == SAME else copy.size
                copy.delete()
    counts.count("copies between versions", inputs=2 * len(ways))


@pytest.mark.parametrize("version", ["incus-7.5"])
def test_a_copy_by_another_protocol_is_noticed(
    demos: Callable[[str], RunningServer], spoken: RunningServer, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The canary."""
    monkeypatch.setattr("lxdimg_nb.client.verbs.write.copy._protocol", lambda *_: "incus")

    with pytest.raises(LxdImageError):
        test_images_are_copied_between_versions(demos, spoken, version, "lxd-6.9")
