"""Copying between servers and projects, publishing, refreshing, secrets, on all three servers."""

from __future__ import annotations

import itertools
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb import Client, demo
from lxdimg_nb.client.operations import Operations
from lxdimg_nb.errors import (
    ApiError,
    ConflictError,
    ImageExistsError,
    InvalidRequestError,
    LxdImageError,
    MissingExtensionError,
    NotFoundError,
    OperationCancelledError,
    OperationFailedError,
    OperationTimeoutError,
)
from lxdimg_nb.values import Progress
from tests.kit import factory
from tests.kit.servers import RunningServer

KINDS = ("demo", "lxd", "incus")
PAIRS = [pytest.param(a, b, marks=pytest.mark.real) for a, b in itertools.permutations(KINDS, 2)]


@pytest.fixture
def web(server: RunningServer) -> Iterator[Client]:
    """A client for another project of the same server."""
    server.add_project("web")
    with lxdimg_nb.connect(server.url, project="web") as client:
        yield client


@pytest.mark.parametrize("mode", ["auto", "pull", "relay"])
def test_an_image_is_copied_between_projects(server: RunningServer, client: Client, web: Client, mode: str) -> None:
    server.listen()
    client.reload()
    fingerprint = server.add_image(factory.small(1), aliases=["a"], properties={"os": "mine"}, filename="f.tar.gz")

    made = client.images.get("a").copy(web, mode=mode, copy_aliases=True, aliases="b")

    raw = server.get(f"images/{fingerprint}?project=web")
    assert raw["properties"]["os"] == "mine"
    assert sorted(a["name"] for a in raw["aliases"]) == ["a", "b"]
    assert (made.fingerprint, made.project, made.filename) == (fingerprint, "web", "f.tar.gz")
    assert made.public is False
    with pytest.raises(ImageExistsError):
        client.images.get("a").copy(web)


@pytest.mark.parametrize("mode", ["pull", "push", "relay"])
def test_a_copy_keeps_expiry_and_profiles_whichever_way_it_goes(
    server: RunningServer, client: Client, web: Client, mode: str
) -> None:
    server.listen()
    client.reload()
    fingerprint = server.add_image(factory.small(1))
    image = client.images.get(fingerprint)
    image.expires_at, image.profiles = "2031-05-05", []
    image.update()

    image.copy(web, mode=mode)

    raw = server.get(f"images/{fingerprint}?project=web")
    assert raw["expires_at"] == "2031-05-05T00:00:00Z"
    assert raw["profiles"] == []


@pytest.mark.real
@pytest.mark.parametrize("kind", ["lxd", "incus"])
def test_a_virtual_machine_that_is_pushed_as_a_container_is_said_and_removed(
    request: pytest.FixtureRequest, kind: str
) -> None:
    server: RunningServer = request.getfixturevalue(kind)
    server.listen()
    server.add_project("web")
    fingerprint = server.add_image(factory.split(1, vm=True))

    with lxdimg_nb.connect(server.url) as client, client.in_project("web") as web:
        try:
            pushed = client.images.get(fingerprint).copy(web, mode="push")
        except OperationFailedError as error:
            assert "sent the virtual-machine as a container" in str(error)
            assert web.images.all() == []
        else:
            # Incus 7.0.2 sends it as what it is.
            assert (kind, pushed.type) == ("incus", "virtual-machine")
            web.images.get(fingerprint).delete()

        assert client.images.get(fingerprint).copy(web).type == "virtual-machine"


@pytest.mark.parametrize("mode", ["pull", "push"])
def test_a_copy_that_fails_leaves_no_token_with_which_the_image_could_be_fetched(
    demo: RunningServer, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    demo.add_project("web")
    fingerprint = demo.add_image(factory.small(1))
    with lxdimg_nb.connect(demo.url) as client, client.in_project("web") as web, monkeypatch.context() as patch:
        patch.setattr(Operations, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            client.images.get(fingerprint).copy(web, mode=mode)

    running = demo.get("operations?recursion=1&all-projects=true").get("running", [])
    assert [one["description"] for one in running if one["class"] == "token"] == []


def test_a_taken_alias_stops_a_copy_before_it_begins(server: RunningServer, client: Client, web: Client) -> None:
    server.add_image(factory.small(1), aliases=["a"])
    other = server.add_image(factory.small(2), project="web")
    server.raw("POST", "/1.0/images/aliases?project=web", json={"name": "a", "target": other})

    with pytest.raises(ConflictError, match="taken"):
        client.images.get("a").copy(web, copy_aliases=True)
    with pytest.raises(InvalidRequestError, match="copied by"):
        client.images.get("a").copy(web, mode="carry")

    assert [i.fingerprint for i in web.images.all()] == [other]


def test_a_server_that_does_not_listen_is_said_or_relayed(server: RunningServer, client: Client, web: Client) -> None:
    fingerprint = server.add_image(factory.split(1))
    if server.kind == "demo":  # the demo server always listens
        return
    address = server.https_url
    server.raw("PATCH", "/1.0", json={"config": {"core.https_address": ""}})
    client.reload()
    try:
        with pytest.raises(InvalidRequestError, match="does not listen"):
            client.images.get(fingerprint).copy(web, mode="pull")

        assert client.images.get(fingerprint).copy(web).fingerprint == fingerprint
    finally:
        if address:
            setting = {"core.https_address": address.removeprefix("https://")}
            server.raw("PATCH", "/1.0", json={"config": setting})


@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize("mode", ["auto", "relay"])
@pytest.mark.parametrize("kind", ["unified", "split", "vm"])
def test_an_image_is_copied_between_any_two_servers(
    request: pytest.FixtureRequest, first: str, second: str, mode: str, kind: str
) -> None:
    source, target = request.getfixturevalue(first), request.getfixturevalue(second)
    source.listen()
    data = factory.small(3) if kind == "unified" else factory.split(3, vm=kind == "vm")
    fingerprint = source.add_image(data, aliases=["x"], properties={"os": "mine"}, public=True)

    with lxdimg_nb.connect(source.url) as one, lxdimg_nb.connect(target.url) as other:
        made = one.images.get("x").copy(other, mode=mode, aliases="y")

    raw = target.get(f"images/{fingerprint}")
    assert raw["properties"]["os"] == "mine"
    assert raw["public"] is True
    assert raw["type"] == ("virtual-machine" if kind == "vm" else "container")
    assert [a.name for a in made.aliases] == ["y"]


@pytest.mark.parametrize("pair", [("demo", "lxd"), ("lxd", "demo")])
@pytest.mark.real
def test_a_private_image_is_pushed(request: pytest.FixtureRequest, pair: tuple[str, str]) -> None:
    source, target = (request.getfixturevalue(kind) for kind in pair)
    target.listen()
    fingerprint = source.add_image(factory.small(4), properties={"os": "mine"})

    with lxdimg_nb.connect(source.url) as one, lxdimg_nb.connect(target.url) as other:
        made = one.images.get(fingerprint).copy(other, mode="push")

        assert made.public is False
        assert target.get(f"images/{fingerprint}")["properties"]["os"] == "mine"
        assert not [o for o in other.operations.all() if o.kind == "token" and not o.done]


@pytest.mark.real
def test_a_push_that_fails_leaves_no_token_behind(lxd: RunningServer, demo: RunningServer) -> None:
    demo.listen()
    fingerprint = lxd.add_image(factory.small(4))
    stored = lxd.folder / "images" / fingerprint
    stored.unlink()

    with lxdimg_nb.connect(lxd.url) as one, lxdimg_nb.connect(demo.url) as other:
        with pytest.raises(LxdImageError):
            one.images.get(fingerprint).copy(other, mode="push")

        assert not [o for o in other.operations.all() if o.kind == "token" and not o.done]
        assert other.images.all() == []
    stored.write_bytes(factory.small(4))


@pytest.mark.real
def test_a_pulled_public_image_can_be_kept_current(lxd: RunningServer, demo: RunningServer) -> None:
    lxd.listen()
    old = lxd.add_image(factory.small(5), aliases=["daily"], public=True)
    new = factory.small(6)

    with lxdimg_nb.connect(lxd.url) as one, lxdimg_nb.connect(demo.url) as other:
        made = one.images.get("daily").copy(other, mode="pull", auto_update=True, aliases="daily")
        assert made.auto_update
        assert made.update_source is not None
        assert made.update_source.alias == "daily"
        fresh = one.images.create(new, wait=True, public=True)
        one.images.aliases.point("daily", to=fresh)
        again = made.refresh()

    assert made.fingerprint == old
    assert again.fingerprint == fresh.fingerprint
    assert [a.name for a in again.aliases] == ["daily"]


def test_an_incus_is_not_asked_to_keep_an_image_of_an_lxd_current(tmp_path: Path) -> None:
    with (
        demo.start(tmp_path / "lxd", product="lxd", inventory=False) as old,
        demo.start(tmp_path / "incus", product="incus", inventory=False) as new,
        lxdimg_nb.connect(old.url) as lxd,
        lxdimg_nb.connect(new.url) as incus,
    ):
        image = lxd.images.create(factory.small(1), public=True, wait=True, aliases=["daily"])
        for mode in ("auto", "pull"):
            with pytest.raises(InvalidRequestError, match="without auto_update"):
                image.copy(incus, mode=mode, auto_update=True)

        assert incus.images.all() == []
        assert image.copy(incus).fingerprint == image.fingerprint


def test_a_push_between_lxd_and_incus_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with (
        demo.start(tmp_path / "lxd", product="lxd", inventory=False) as old,
        demo.start(tmp_path / "incus", product="incus", inventory=False) as new,
        lxdimg_nb.connect(old.url) as lxd,
        lxdimg_nb.connect(new.url) as incus,
    ):
        for source, target, number in ((lxd, incus, 1), (incus, lxd, 2)):
            image = source.images.create(factory.small(number), wait=True)
            before = {operation.id for operation in target.operations.all()}

            with pytest.raises(InvalidRequestError, match="mode='pull' or 'relay'"):
                image.copy(target, mode="push", aliases="x")

            assert not target.images.exists(image.fingerprint)
            assert {operation.id for operation in target.operations.all()} <= before
            assert image.copy(target).fingerprint == image.fingerprint


def test_an_image_without_a_source_cannot_be_refreshed(server: RunningServer, client: Client) -> None:
    image = client.images.create(factory.small(7), wait=True)

    with pytest.raises(InvalidRequestError, match="no source"):
        image.refresh()


def test_a_secret_opens_a_private_image_to_a_stranger(server: RunningServer, client: Client) -> None:
    data = factory.small(8)
    image = client.images.create(data, wait=True)
    url = server.listen()
    address = f"{url}/1.0/images/{image.fingerprint}/export"
    context = ssl._create_unverified_context()  # noqa: S323 - our own server, one line above

    with pytest.raises(OSError, match="404"):
        urllib.request.urlopen(address, context=context)  # noqa: S310
    secret = image.secret()
    with urllib.request.urlopen(f"{address}?secret={secret}", context=context) as reply:  # noqa: S310
        assert reply.read() == data

    assert secret not in repr(client.operations.all())
    assert secret not in repr(image)


def test_an_image_is_published_from_an_instance_and_a_snapshot(server: RunningServer, client: Client) -> None:
    base = server.add_image(factory.small(9, rootfs_files={"etc/hostname": b"x\n"}), properties={"os": "base"})
    server.add_instance("c1", base)
    server.add_snapshot("c1", "snap0")

    kept = client.images.publish("c1", aliases="from-c1", compression="gzip")
    named = client.images.publish("c1/snap0", properties={"os": "new"}, expires_at="2036-01-01")

    assert [a.name for a in kept.aliases] == ["from-c1"]
    # What the image's own metadata.yaml says; the server does not look at what was edited since.
    assert kept.properties["os"] == factory.properties(9)["os"]
    assert named.properties["os"] == "new"
    assert named.expires_at is not None
    assert kept.public is False
    uses = client.images.get(base).used_by()
    assert uses[0] == "default/c1"
    assert "default/c1/snap0" in uses
    assert kept.used_by() == []
    assert client.images.df(used_by=True).loc[base, "used_by"] == uses


def test_a_split_image_is_published_where_the_server_makes_them(
    server: RunningServer, client: Client, tmp_path: Path
) -> None:
    server.add_instance("c1", server.add_image(factory.small(9)))

    if not client.has_extension("instance_publish_split"):
        with pytest.raises(MissingExtensionError, match="instance_publish_split"):
            client.images.publish("c1", format="split")
        return

    made = client.images.publish("c1", format="split")
    made.export(tmp_path)

    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"meta-{made.fingerprint}.tar.gz", f"{made.fingerprint}.tar.gz"}


def test_publishing_nonsense_is_said(server: RunningServer, client: Client) -> None:
    server.add_instance("c1", server.add_image(factory.small(9)))
    with pytest.raises(NotFoundError):
        client.images.publish("nowhere")
    with pytest.raises(InvalidRequestError, match="compression"):
        client.images.publish("c1", compression="gzip; rm -rf /")
    with pytest.raises(InvalidRequestError, match="unified or split"):
        client.images.publish("c1", format="neither")
    with pytest.raises(InvalidRequestError):
        client.images.publish("a/b/c")
    with pytest.raises(NotFoundError, match="snapshot"):
        client.images.publish("c1/none")

    assert len(client.images.all()) == 1


def test_operations_are_seen_waited_for_and_not_cancelled_when_over(server: RunningServer, client: Client) -> None:
    image = client.images.create(factory.small(10))
    assert image.operation is not None

    done = client.operations.wait(image.operation, timeout=30)

    assert done.succeeded
    assert done.fingerprint == image.fingerprint
    assert done.id in {o.id for o in client.operations.all()}
    with pytest.raises(ApiError):
        client.operations.cancel(done)
    with pytest.raises(InvalidRequestError):
        client.operations.wait("nonsense")
    with pytest.raises(NotFoundError):
        client.operations.get("00000000-0000-4000-8000-000000000000")


def test_a_failed_operation_says_why(server: RunningServer, client: Client) -> None:
    # Past our own checks: servers look for themselves, too.
    reply = client.transport.request(
        "POST", "/1.0/images", body=b"no image" * 100, headers={"Content-Type": "application/octet-stream"}
    )
    operation = client.operations.started(reply)

    with pytest.raises(OperationFailedError) as caught:
        client.operations.wait(operation)

    assert caught.value.reason
    assert caught.value.operation_id == operation.id


def test_an_operation_that_goes_on_is_left_alone_after_the_timeout_and_can_be_cancelled(
    server: RunningServer, client: Client
) -> None:
    image = client.images.get(server.add_image(factory.small(1)))
    image.secret()
    running = next(o for o in client.operations.all() if not o.done)
    seen: list[Progress] = []

    with pytest.raises(OperationTimeoutError, match=r"still running after 0\.5 s") as caught:
        client.operations.wait(running, timeout=0.5, progress=seen.append)
    assert not client.operations.get(running).done
    client.operations.cancel(running)
    with pytest.raises(OperationCancelledError):
        client.operations.wait(running, timeout=60)

    assert caught.value.operation_id == running.id
    assert seen
