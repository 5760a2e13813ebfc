"""A real cluster of three members, of which one is killed and comes back, as its users see it.

`tests/run --long` does all of it on LXD and on Incus; else one member of an LXD dies, once.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

import lxdimg_nb
from lxdimg_nb import Client, Fleet, Image
from lxdimg_nb.client import live as live_list
from lxdimg_nb.client.files.progress import Cancel
from lxdimg_nb.client.http.transport import READ_TIMEOUT
from lxdimg_nb.errors import ApiError, LxdImageError, OperationFailedError, ServerUnreachableError
from lxdimg_nb.values import ImageRecord, Progress
from tests.conftest import missing
from tests.kit import daemons, factory
from tests.kit.cluster import Cluster, running_cluster
from tests.kit.counts import count, long_run
from tests.kit.frontend import FrontEnd
from tests.kit.proxy import Fault, Proxy
from tests.kit.random_actions import ACTIONS, OTHER, PROPERTIES, SIZE, World, images
from tests.kit.waiting import until

pytestmark = [pytest.mark.real, pytest.mark.slow]

KINDS: list[Literal["lxd", "incus"]] = ["lxd", "incus"] if long_run() else ["lxd"]
ROUNDS = 20


@pytest.fixture(scope="module", params=KINDS)
def running(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster, as the test before left it."""
    kind: Literal["lxd", "incus"] = request.param
    reason = daemons.why_not(kind)
    if reason is not None:
        missing(reason)
    with running_cluster(kind) as cluster:
        yield cluster


@pytest.fixture
def cluster(running: Cluster) -> Cluster:
    """A cluster of three without images, whose members all live."""
    running.heal()
    running.clean()
    running.replicas(3)
    return running


@pytest.fixture
def clients(cluster: Cluster) -> Iterator[dict[str, Client]]:
    """A client of each member."""
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(lxdimg_nb.connect(member.url)) for name, member in cluster.members.items()}


@contextlib.contextmanager
def about(cluster: Cluster, name: str) -> Iterator[pytest.ExceptionInfo[LxdImageError]]:
    """An error that names that member and its address."""
    with pytest.raises(LxdImageError) as caught:
        yield caught
    names_the_member(cluster, name, str(caught.value))


def names_the_member(cluster: Cluster, name: str, said: str) -> None:
    assert f"the member {name} ({cluster[name].https_url}) of the cluster is offline" in said, said


def test_a_member_dies_and_comes_back_while_images_are_listed_imported_edited_and_exported(
    cluster: Cluster, clients: dict[str, Client], tmp_path: Path
) -> None:
    dead, here, there = cluster.followers[0], cluster.leader, cluster.followers[1]
    before = imported(clients[here], 1, "before")

    cluster[dead].kill()

    # A cluster calls such an import a failure; the image is there with all that was asked for.
    said: list[str] = []
    settings: Any = {"aliases": ["during"], "properties": {"os": "y"}, "public": True}
    made = clients[here].images.create(factory.small(2), wait=True, progress=Cancel(warn=said.append), **settings)
    assert "is there, but not on as many members" in said[0]
    names_the_member(cluster, dead, said[0])
    assert (made.properties["os"], made.public, made.aliases[0].name) == ("y", True, "during")
    before.properties["os"] = "z"
    before.update()
    for name in (here, there):
        listed = {image.fingerprint: image for image in clients[name].images.all()}
        assert {*listed} == {before.fingerprint, made.fingerprint}
        assert listed[before.fingerprint].properties["os"] == "z"
        assert clients[name].images.get("before").export() == factory.small(1)
        assert clients[name].images.get("during").export(tmp_path).path.read_bytes() == factory.small(2)
    with pytest.raises(ServerUnreachableError) as caught:
        clients[dead].images.all()
    assert str(cluster[dead].socket) in caught.value.message
    assert f"it is the member {dead} of a cluster" in caught.value.advice[-1]
    assert all(f"{name} ({cluster[name].https_url})" in caught.value.advice[-1] for name in (here, there))
    status = Fleet(clients).status()
    assert status["state"].to_dict() == {dead: "unreachable", here: "ok", there: "ok"}
    assert f"the same images as {min(here, there)}: one cluster" in status.loc[max(here, there), "error"]
    cluster[dead].restart()
    assert {image.fingerprint for image in clients[dead].images.all()} == {before.fingerprint, made.fingerprint}
    count(f"cluster on {cluster[here].kind}", inputs=12, survived=1)


def imported(client: Client, seed: int, alias: str) -> Image:
    """An image; that a member which has just come back may not have it yet is not what the test is about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return client.images.create(factory.small(seed), wait=True, aliases=[alias])


@pytest.mark.long
def test_what_is_live_is_lost_with_its_member_and_right_when_that_is_back(
    cluster: Cluster, clients: dict[str, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_list, "COMPARE_SECONDS", 2.0)
    monkeypatch.setattr(live_list, "RELIST_SHARE", 2)
    leader, dead, here = cluster.leader, *cluster.followers
    first, second = imported(clients[here], 1, "first"), imported(clients[here], 2, "second")
    for victim in (dead, leader):
        panel = clients[victim].images.panel()
        try:
            view = FrontEnd(panel)
            view.say("hello")
            assert view.sees(lambda parts: parts["header"]["live"] == "live", timeout=30)
            with clients[victim].images.live() as live, clients[here].images.live() as other:
                cluster[victim].kill()
                assert live.wait_until(lambda _: live.state == "lost")
                assert view.sees(lambda parts: parts["header"]["live"] == "lost", timeout=30)
                first.properties["note"] = victim
                first.update()
                with contextlib.suppress(OperationFailedError):
                    second.delete()
                imported(clients[here], 3, f"third-{victim}").add_alias(f"more-{victim}")
                cluster.heal()
                assert live.wait_until(lambda _: live.state == "live", timeout=60)
                second = imported(clients[victim], 4, f"second-{victim}")
                for one in (live, other):
                    assert one.wait_until(lambda records: records_are(records, images(cluster[here])), timeout=60)
                assert view.sees(lambda parts: parts["header"]["live"] == "live", timeout=60)
        finally:
            panel.close()
        cluster.clean()
        first = imported(clients[here], 1, "first")
        second = imported(clients[here], 2, "second")
        count(f"cluster on {cluster[here].kind}", inputs=3, survived=3)


def records_are(records: Sequence[ImageRecord], there: dict[str, dict[str, Any]]) -> bool:
    return {record.fingerprint: record.raw for record in records} == there


@pytest.mark.long
def test_the_leader_dies_and_every_request_waits_for_the_next_one(
    cluster: Cluster, clients: dict[str, Client], tmp_path: Path
) -> None:
    leader, here = cluster.leader, cluster.followers[0]
    image = imported(clients[here], 1, "web")

    cluster[leader].kill()

    begin = time.monotonic()
    assert [one.fingerprint for one in clients[here].images.all()] == [image.fingerprint]
    assert time.monotonic() - begin < READ_TIMEOUT
    image.public = True
    image.update()
    assert clients[here].images.get("web").export(tmp_path).path.read_bytes() == factory.small(1)
    other = imported(clients[here], 2, "two")
    assert {*images(cluster[here])} == {image.fingerprint, other.fingerprint}
    cluster.heal()
    assert clients[leader].images.get("two").export() == factory.small(2)
    count(f"cluster on {cluster[here].kind}", inputs=5, survived=1)


@pytest.mark.long
def test_an_image_whose_only_files_are_on_a_dead_member_names_it(
    cluster: Cluster, clients: dict[str, Client], tmp_path: Path
) -> None:
    dead, here = cluster.followers[0], cluster.leader
    cluster.replicas(1)
    made = imported(clients[dead], 3, "lonely")
    image = clients[here].images.get("lonely")
    assert image.export() == factory.small(3)

    cluster[dead].kill()

    # While the others take it for alive, and when they have noticed.
    for _ in range(2):
        for use in (image.export, lambda: image.export(tmp_path), image.contents, lambda: image.open().read()):
            with about(cluster, dead):
                use()
        assert not any(tmp_path.iterdir())
        assert cluster.notices(dead)
    with about(cluster, dead) as caught:
        image.delete()
    assert isinstance(caught.value, OperationFailedError)
    assert [one.fingerprint for one in clients[here].images.all()] == [made.fingerprint]
    cluster[dead].restart()
    assert cluster.notices(dead, "Online")
    # Incus says for a while that its server is not ready.
    assert until(lambda: exported(image) == factory.small(3))
    image.delete()
    assert images(cluster[here]) == {}
    count(f"cluster on {cluster[here].kind}", inputs=10, survived=9)


def exported(image: Image) -> bytes:
    with contextlib.suppress(ApiError):
        return image.export()
    return b""


@pytest.mark.long
def test_an_export_whose_files_die_names_the_member_and_succeeds_later(
    cluster: Cluster, clients: dict[str, Client], tmp_path: Path
) -> None:
    dead, here = cluster.followers[0], cluster.leader
    cluster.replicas(1)
    factory.big(tmp_path / "big.tar", 64 * SIZE * 4, seed=1)
    clients[dead].images.create(tmp_path / "big.tar", wait=True, aliases=["big"])
    image = clients[here].images.get("big")

    def die(progress: Progress) -> None:
        if progress.done > SIZE and cluster[dead].alive:
            cluster[dead].kill()

    with pytest.raises(ServerUnreachableError) as caught:
        image.export(tmp_path / "out.tar", progress=die)
    names_the_member(cluster, dead, caught.value.advice[-1])
    cluster.heal()
    assert until(lambda: exported(image) != b"")

    # All of it again: a member that hands on the files of another one knows no ranges.
    assert image.export(tmp_path / "out.tar").path.read_bytes() == (tmp_path / "big.tar").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"big.tar", "out.tar"}
    count(f"cluster on {cluster[here].kind}", inputs=1, survived=1)


@pytest.mark.long
def test_a_publication_is_complete_even_if_a_member_lacks_its_copy(
    cluster: Cluster, clients: dict[str, Client]
) -> None:
    dead, here = cluster.followers[0], cluster.leader
    cluster.add_instance("c", imported(clients[here], 1, "base").fingerprint, here)

    cluster[dead].kill()

    with pytest.warns(UserWarning, match="is there, but not on as many members") as said:
        made = clients[here].images.publish("c", aliases=["published"])
    names_the_member(cluster, dead, str(said[0].message))
    assert [alias.name for alias in made.aliases] == ["published"]
    assert clients[here].images.get("published").export()
    count(f"cluster on {cluster[here].kind}", inputs=1, survived=1)


@pytest.mark.long
def test_a_cluster_without_a_leader_gives_one_error_within_reason(cluster: Cluster, clients: dict[str, Client]) -> None:
    here, *dead = cluster.members
    imported(clients[here], 1, "web")
    for name in dead:
        cluster[name].kill()

    # A moment ago it had one: a write waits 20 s and more, a read then some 20 s.
    for use in (
        lambda: clients[here].images.create(factory.small(2), wait=True),
        clients[here].images.all,
        lambda: clients[here].images.get("web"),
    ):
        begin = time.monotonic()
        with pytest.raises((ApiError, ServerUnreachableError)) as caught:
            use()
        assert time.monotonic() - begin < 90
        # A busy machine waits longer than the client.
        assert getattr(caught.value, "status_code", 503) in (500, 503)
        assert "more than half of its members must run" in str(caught.value)
    cluster[dead[0]].restart()
    assert [alias.name for one in clients[here].images.all() for alias in one.aliases] == ["web"]
    cluster.heal()
    assert len(images(cluster[dead[1]])) == 1
    count(f"cluster on {cluster[here].kind}", inputs=3, survived=3)


@pytest.mark.long
@pytest.mark.parametrize("finished", [False, True])
def test_an_import_whose_member_died_is_decided_by_the_fingerprint(cluster: Cluster, finished: bool) -> None:
    """An address in front of the cluster sends a request to a living member."""
    dead, here = cluster.followers[0], cluster.leader

    def die() -> None:
        if finished:
            assert until(lambda: factory.fingerprint(factory.small(4)) in images(cluster[here]))
        cluster[dead].kill()
        proxy.send_to(cluster[here].socket)

    with Proxy(cluster[dead].socket, cluster[dead].folder) as proxy, lxdimg_nb.connect(proxy.url) as client:
        proxy.inject(Fault("call", "up", at=0, action=die), "/wait", "GET")
        try:
            made = imported(client, 4, "four")
        except (OperationFailedError, ServerUnreachableError) as error:
            assert not finished, error
            made = None
    cluster.heal()
    there = images(cluster[here])
    assert made is None or made.fingerprint in there
    assert {*there} <= {factory.fingerprint(factory.small(4))}
    count(f"cluster on {cluster[here].kind}", inputs=1, survived=1)


@pytest.mark.long
def test_members_that_die_at_any_moment_lose_nothing(cluster: Cluster, tmp_path: Path) -> None:
    kept = random_world(cluster, tmp_path)
    wrong = []
    for seed in range(ROUNDS):
        try:
            failed = one_round(cluster, seed, tmp_path, kept)
        except Exception as error:  # noqa: BLE001 - all of them are shown at the end
            wrong.append(f"{cluster['c1'].kind}, seed {seed}: {error!r}"[:600])
        else:
            count(f"cluster on {cluster['c1'].kind}", inputs=1, survived=int(failed))
    assert not wrong, "\n".join(wrong)


def random_world(cluster: Cluster, folder: Path) -> str:
    """The files of random actions in a folder, and the fingerprint of the image that must survive them."""
    (folder / "out").mkdir()
    for seed, name in enumerate(("kept", "new")):
        factory.big(folder / f"{name}.tar", SIZE, seed=seed)
    for name, half in zip(("meta", "root"), factory.split(3), strict=True):
        (folder / f"{name}.tar").write_bytes(half)
    cluster["c1"].add_project(OTHER)
    with warnings.catch_warnings(), lxdimg_nb.connect(cluster["c1"].url) as client:
        warnings.simplefilter("ignore")
        made = client.images.create(folder / "kept.tar", wait=True, aliases=["web"], properties=PROPERTIES)
    return made.fingerprint


def one_round(cluster: Cluster, seed: int, folder: Path, kept: str) -> bool:
    """Whether an action failed while a member died; afterwards it is right or absent, and succeeds."""
    chance = random.Random(seed)
    cluster.heal()
    here, victim = chance.choice([*cluster.members]), chance.choice([*cluster.members])
    name = chance.choice([*ACTIONS])
    action, server, failed, said = ACTIONS[name], cluster[here], False, False
    with warnings.catch_warnings(), lxdimg_nb.connect(server.url) as client:
        warnings.simplefilter("ignore")
        world = World(client, folder, kept)
        death = threading.Timer(chance.uniform(0, 0.3), cluster[victim].kill)
        death.start()
        try:
            said = action.act(world)
        except LxdImageError as error:
            failed = True
            assert str(error)
        finally:
            death.join()
        cluster.heal()
        assert not said or action.done(server, world), f"{name}: it says that it was done"
        assert images(server)[kept]["size"] == (folder / "kept.tar").stat().st_size
        assert kept in {image.fingerprint for image in client.images.all()}
        if name != "panel":
            assert action.act(world), f"{name}: it does not succeed when all live"
            assert action.done(server, world)
        action.undo(server, world)
        assert {*images(server)} == {kept}
    return failed


@pytest.mark.long
def test_an_image_that_is_lost_would_be_noticed(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_the_image(world: World) -> bool:
        return bool(world.client.images.delete(world.kept))

    kept = random_world(cluster, tmp_path)
    for name in ACTIONS:
        monkeypatch.setitem(ACTIONS, name, replace(ACTIONS[name], act=lose_the_image))

    with pytest.raises((AssertionError, KeyError)):
        one_round(cluster, 0, tmp_path, kept)


def test_an_error_that_names_another_member_or_none_would_be_noticed(cluster: Cluster) -> None:
    url = cluster["c2"].https_url
    for said in ("offline", "the member c3 is offline", f"the member c3 ({url}) of the cluster is offline"):
        with pytest.raises(AssertionError):
            names_the_member(cluster, "c2", said)
