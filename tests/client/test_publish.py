"""Publishing from instances that run, and what has been published before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb import Client, demo
from lxdimg_nb.client.operations import Operations
from lxdimg_nb.client.verbs.write.publish import is_running
from lxdimg_nb.demo import DemoServer
from lxdimg_nb.errors import ImageExistsError, InvalidRequestError, LxdImageError, OperationFailedError
from tests.kit import factory
from tests.kit.newer import speaks
from tests.kit.servers import RunningServer
from tests.kit.waiting import until


@pytest.fixture(params=["lxd", "incus"])
def demonstration(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DemoServer]:
    """A demo server of its own: not every machine lets a real one start an instance."""
    with demo.start(tmp_path / "demo", product=request.param, inventory=False) as server:
        yield server


@pytest.fixture
def running(demonstration: DemoServer) -> Iterator[Client]:
    """Its client; an instance c1 runs there."""
    with lxdimg_nb.connect(demonstration.url) as client:
        image = client.images.create(factory.small(1), wait=True)
        body: dict[str, object] = {"name": "c1", "source": {"type": "image", "fingerprint": image.fingerprint}}
        _put(client, "POST", "/1.0/instances", body)
        _put(client, "PUT", "/1.0/instances/c1/state", {"action": "start"})
        yield client


def _put(client: Client, method: str, path: str, body: dict[str, object]) -> None:
    client.operations.wait(client.operations.started(client.transport.request(method, path, json=body)))


def status(client: Client) -> str:
    return str(client.transport.request("GET", "/1.0/instances/c1").metadata["status"])


def test_an_instance_that_runs_is_not_published_unasked(running: Client) -> None:
    with pytest.raises(InvalidRequestError, match="is running; publish a snapshot"):
        running.images.publish("c1")

    assert is_running(running.server_project, "c1")
    assert status(running) == "Running"
    assert len(running.images.all()) == 1


def test_it_is_stopped_published_and_started_again(running: Client) -> None:
    made = running.images.publish("c1", aliases="golden", properties={"os": "mine"}, stop=True)

    assert (made.properties["os"], [a.name for a in made.aliases]) == ("mine", ["golden"])
    assert status(running) == "Running"


@pytest.fixture
def started(real: RunningServer) -> Iterator[RunningServer]:
    """A real server where the container c1 runs, whose init waits to be stopped."""
    real.add_instance("c1", real.add_image(demo.sample_image()))
    real.start_instance("c1")
    try:
        yield real
    finally:
        real.stop_instance("c1")


@pytest.mark.real
def test_a_container_that_runs_is_stopped_published_and_started_again(started: RunningServer) -> None:
    with lxdimg_nb.connect(started.url) as client:
        assert is_running(client.server_project, "c1")
        with pytest.raises(InvalidRequestError, match="is running; publish a snapshot"):
            client.images.publish("c1")
        assert status(client) == "Running"

        made = client.images.publish("c1", aliases="golden", stop=True)

        assert status(client) == "Running"
        assert [alias.name for alias in made.aliases] == ["golden"]
        assert "rootfs/sbin/init" in made.contents().files.index
        assert len(client.images.all()) == 2


@pytest.mark.real
def test_a_container_is_started_again_when_it_cannot_be_published(started: RunningServer) -> None:
    with lxdimg_nb.connect(started.url) as client:
        with pytest.raises(LxdImageError):
            client.images.publish("c1", stop=True, compression="nonsense")

        assert status(client) == "Running"


def test_it_is_started_again_when_packing_fails(demonstration: DemoServer, running: Client) -> None:
    demonstration.faults.add(fail_operation="no space left on device", method="POST", path="^/1.0/images", times=1)

    with pytest.raises(OperationFailedError, match="no space left"):
        running.images.publish("c1", stop=True)

    assert status(running) == "Running"


def test_the_servers_refuse_by_themselves_to_pack_what_runs(running: Client) -> None:
    body: dict[str, object] = {"source": {"type": "instance", "name": "c1"}}

    with pytest.raises(OperationFailedError, match="running instance"):
        _put(running, "POST", "/1.0/images", body)


def test_an_instance_that_is_stopped_already_stays_so(server: RunningServer, client: Client) -> None:
    server.add_instance("c1", server.add_image(factory.small(1)))

    with pytest.raises(OperationFailedError, match="already stopped"):
        _put(client, "PUT", "/1.0/instances/c1/state", {"action": "stop", "timeout": -1, "force": True})
    with pytest.raises(LxdImageError, match="Unknown action: 'foo'"):
        _put(client, "PUT", "/1.0/instances/c1/state", {"action": "foo"})
    client.images.publish("c1", stop=True)

    assert not is_running(client.server_project, "c1")
    assert server.get("instances/c1")["status"] == "Stopped"


def test_an_interrupt_says_that_the_server_goes_on(
    server: RunningServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add_instance("c1", server.add_image(factory.small(1)))

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt) as caught:
        patch.setattr(Operations, "wait", interrupted)
        client.images.publish("c1")

    if speaks(server, "ALWAYS_CANCELLABLE"):
        assert "keeps nothing" in caught.value.__notes__[0]
        assert len(server.get("images")) == 1
        return
    assert "goes on publishing" in caught.value.__notes__[0]
    assert until(lambda: len(server.get("images")) == 2)


def test_what_was_published_before_is_named(lxd: RunningServer) -> None:
    # LXD makes the same image of the same instance; Incus puts the time in it.
    lxd.add_instance("c1", lxd.add_image(factory.small(1)))

    with lxdimg_nb.connect(lxd.url) as client:
        first = client.images.publish("c1", compression="none")
        with pytest.raises(ImageExistsError, match="already there") as caught:
            client.images.publish("c1", compression="none")

    assert caught.value.fingerprint == first.fingerprint
