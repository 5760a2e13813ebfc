"""%lxdimg publish: stopped and running instances, and other servers as target."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lxdimg_nb import demo as demos
from lxdimg_nb.demo import DemoServer
from tests.kit import factory, streams
from tests.kit.kernel import Kernel, remotes, store
from tests.kit.servers import RunningServer

START = (
    "made = client.transport.request('PUT', '/1.0/instances/c1/state', json={'action': 'start'})\n"
    "client.operations.wait(client.operations.started(made))"
)
STATUS = "client.transport.request('GET', '/1.0/instances/c1').metadata['status']"


@pytest.fixture
def elsewhere(tmp_path: Path, configuration: Path) -> Iterator[DemoServer]:
    """An empty server that the configuration calls `elsewhere`."""
    with demos.start(tmp_path / "demo", inventory=False) as server:
        remotes(configuration, elsewhere={"addr": server.url, "protocol": "lxd"})
        yield server


@pytest.fixture
def instance(kernel: Kernel, server: RunningServer) -> Kernel:
    """The kernel; there is an instance c1."""
    server.add_instance("c1", server.add_image(factory.small(1)))
    return kernel


@pytest.fixture
def running(shared_kernel: Kernel, demo: RunningServer) -> Kernel:
    """The kernel, connected to a server where c1 runs; the real ones cannot start an instance on every machine."""
    demo.add_instance("c1", demo.add_image(factory.small(1)))
    shared_kernel.run(f"client = %lxdimg connect {demo.url}\n")
    shared_kernel.run(START)
    return shared_kernel


@pytest.mark.slow
def test_publish_makes_an_image_of_an_instance(instance: Kernel, server: RunningServer) -> None:
    cell = instance.run("image = %lxdimg publish c1 os=mine --alias golden --compression none\n")

    image = server.get(f"images/{instance.value('image.fingerprint')}")
    assert cell.stdout.startswith("published c1 as golden (")
    assert image["properties"]["os"] == "mine"
    assert "no instance 'c2'" in instance.run("%lxdimg publish c2", ok=False).stderr


def test_publish_to_a_remote_copies_the_image_with_its_aliases_and_does_not_keep_it(
    instance: Kernel, server: RunningServer, elsewhere: DemoServer
) -> None:
    before = server.get("images")

    cell = instance.run("image = %lxdimg publish c1 elsewhere: os=mine --alias golden --public\n")
    there = instance.value("image.server, image.public, [a.name for a in image.aliases], image.properties['os']")
    taken = instance.run("%lxdimg publish c1 elsewhere: os=other --alias golden", ok=False)

    assert cell.stdout.startswith("published c1 as golden (")
    assert f", public on {elsewhere.url}\npublic: Anyone who can reach this server" in cell.stdout
    assert there == (elsewhere.url, True, ["golden"], "mine")
    assert "'golden' is taken" in taken.stderr
    assert server.get("images") == before
    assert server.get("images/aliases") == []


def test_publish_to_a_catalogue_is_refused(
    instance: Kernel, server: RunningServer, configuration: Path, tmp_path: Path
) -> None:
    with streams.serving(tmp_path / "site") as site:
        streams.ubuntu().publish(site)
        store(configuration, site.url, site.pem)

        cell = instance.run("%lxdimg publish c1 store:", ok=False)

    assert "only offers images" in cell.stderr
    assert len(server.get("images")) == 1


def test_a_running_instance_is_stopped_only_after_a_yes(running: Kernel) -> None:
    plain = running.run("%lxdimg publish c1", ok=False)
    refused = running.run("%lxdimg publish c1 --force", ok=False)
    asked = running.run("%lxdimg publish c1 -f", answer="n", ok=False)
    untouched = running.value("len(client.images.all())"), running.value(STATUS)
    done = running.run("image = %lxdimg publish c1 --force --alias golden\n", answer="y")

    assert "with --force" in plain.stderr
    assert "--yes" in refused.stderr
    assert "Stop c1 on " in asked.stdout
    assert untouched == (1, "Running")
    assert "published c1 as golden (" in done.stdout
    assert running.value(STATUS) == "Running"


def test_publish_asks_neither_with_yes_nor_for_a_stopped_instance(running: Kernel, demo: RunningServer) -> None:
    demo.add_instance("c2", demo.add_image(factory.small(2)))

    running.run("%lxdimg publish c1 --force --yes --alias one")
    running.run("%lxdimg publish c2 --force --alias two")

    assert {a["name"] for a in demo.get("images/aliases?recursion=1")} == {"one", "two"}
    assert running.value(STATUS) == "Running"


def test_an_image_published_before_takes_the_aliases(shared_kernel: Kernel, lxd: RunningServer) -> None:
    # LXD makes the same image of the same instance; Incus puts the time in it.
    lxd.add_instance("c1", lxd.add_image(factory.small(1)))
    shared_kernel.run(f"%lxdimg connect {lxd.url}")
    shared_kernel.run("first = %lxdimg publish c1 --compression none --alias one\n")

    refused = shared_kernel.run("%lxdimg publish c1 --compression none", ok=False)
    shared_kernel.run("again = %lxdimg publish c1 --compression none --alias two --reuse\n")

    assert "--reuse" in refused.stderr
    assert shared_kernel.value("again.fingerprint == first.fingerprint, sorted(a.name for a in again.aliases)") == (
        True,
        ["one", "two"],
    )
