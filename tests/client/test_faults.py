"""What goes wrong on the way: cuts, silence, garbled bytes and killed daemons, on a real LXD and Incus.

A cut upload leaves nothing, reads are tried again and writes never.
"""

from __future__ import annotations

import io
import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lxdimg_nb
from lxdimg_nb import Client
from lxdimg_nb.errors import (
    ImageExistsError,
    LxdImageError,
    OperationFailedError,
    ServerUnreachableError,
)
from tests.kit import factory
from tests.kit.faulty import MIB, SEEDS, SIZE, TIMEOUT, big, client, out
from tests.kit.leftovers import leftovers, only_right
from tests.kit.proxy import Answer, Fault, Proxy
from tests.kit.servers import RunningServer
from tests.kit.waiting import until

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("short_pauses")]

__all__ = ["big", "client", "out"]


# Reads and writes


@pytest.mark.parametrize("kind", ["cut", "rewrite"])
def test_a_read_that_broke_is_tried_again(real: RunningServer, proxy: Proxy, client: Client, kind: str) -> None:
    fingerprint = real.add_image(factory.small(1))
    starting = json.dumps({"type": "error", "error": "Daemon is starting up", "error_code": 503}).encode()
    for at in (0, 5, 150, 400):
        proxy.forget()
        proxy.inject(
            Fault(kind, at=at, times=2, rewrite=lambda a: a.render(status=503, body=starting)),  # type: ignore[arg-type]
            "/1.0/images/",
            "GET",
        )

        assert client.images.get(fingerprint).fingerprint == fingerprint

        assert proxy.count("GET", "/1.0/images/") == 3


def test_a_file_that_is_asked_for_is_asked_for_again(real: RunningServer, proxy: Proxy, client: Client) -> None:
    image = client.images.get(real.add_image(factory.small(1)))
    for at in (0, 5, 150):
        for read in (image.export, lambda: image.open().read(), lambda: image.contents().metadata["architecture"]):
            proxy.forget()
            proxy.inject(Fault("cut", at=at, times=2), "/export", "GET")

            assert read() in (factory.small(1), "x86_64")

            assert proxy.count("GET", "/export") == 3


def test_an_open_image_is_read_on_when_the_connection_broke_meanwhile(
    real: RunningServer, proxy: Proxy, client: Client, big: Path
) -> None:
    content = big.read_bytes()
    image = client.images.get(real.add_image(content))
    with image.open() as file:
        for at in (0, 700_000, 1_500_000):
            proxy.inject(Fault("cut", at=MIB), "/export", "GET")
            file.seek(at)
            assert file.read() == content[at:]
            proxy.heal()


def test_a_read_that_keeps_breaking_is_one_error_after_three_requests(
    real: RunningServer, proxy: Proxy, client: Client
) -> None:
    proxy.inject(Fault("cut", times=99), "/1.0/images/")

    with pytest.raises(ServerUnreachableError):
        client.images.get(64 * "a")

    assert proxy.count() == 3


def test_a_write_that_broke_is_never_sent_twice(real: RunningServer, proxy: Proxy, client: Client) -> None:
    fingerprint = real.add_image(factory.small(1))
    image = client.images.get(fingerprint)
    for direction in ("up", "down"):
        for at in (0, 50):
            proxy.inject(Fault("cut", direction, at), method="PATCH")  # type: ignore[arg-type]
            proxy.forget()
            image.public = not image.public
            with pytest.raises(ServerUnreachableError):
                image.update()

            assert proxy.count("PATCH") == 1
            image.reload()


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(at=st.integers(0, 1200), seed=st.integers(0, 1000), length=st.integers(1, 40), cut=st.booleans())
def test_a_garbled_answer_is_an_answer_or_one_of_our_errors(
    real: RunningServer, proxy: Proxy, at: int, seed: int, length: int, cut: bool
) -> None:
    fingerprint = factory.fingerprint(factory.small(1))
    with lxdimg_nb.connect(proxy.url, timeout=TIMEOUT) as client:
        if not client.images.exists(fingerprint):
            real.add_image(factory.small(1))
        proxy.inject(Fault("cut" if cut else "garble", at=at, seed=seed, length=length), "/1.0/images")

        try:
            images = client.images.all()
        except LxdImageError as error:
            assert "\n" not in str(error)
        else:
            assert all(len(image.fingerprint) == 64 for image in images)
        proxy.heal()

        assert [image.fingerprint for image in client.images.all()] == [fingerprint]


# Silence


def test_a_server_that_falls_silent_ends_in_an_error_and_is_not_asked_again(
    real: RunningServer, proxy: Proxy, big: Path, out: Path
) -> None:
    fingerprint = real.add_image(big.read_bytes())
    with lxdimg_nb.connect(proxy.url, timeout=TIMEOUT) as client:
        image = client.images.get(fingerprint)
        for at in (0, 20, 300):
            proxy.forget()
            proxy.inject(Fault("stall", at=at), "/1.0/images/")
            with pytest.raises(ServerUnreachableError, match="answer"):
                client.images.get(fingerprint)
            assert proxy.count() == 1
        proxy.inject(Fault("stall", at=MIB), "/export")
        with pytest.raises(ServerUnreachableError, match="stopped sending"):
            image.export(out)
        assert only_right(out, b"")
        proxy.inject(Fault("stall", "up", MIB), method="POST")
        image.delete()
        with pytest.raises(ServerUnreachableError):
            client.images.create(big, wait=True)

    assert real.get("images") == []


# Uploads


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("form", ["file", "bytes", "stream", "split"])
def test_an_upload_that_is_cut_leaves_nothing_on_the_server(
    real: RunningServer, proxy: Proxy, client: Client, big: Path, tmp_path: Path, seed: int, form: str
) -> None:
    before = leftovers(real)
    at = random.Random(seed).randrange(0, SIZE)
    meta = tmp_path / "meta"
    meta.write_bytes(factory.split(seed)[0])
    proxy.inject(Fault("cut", "up", at), "/1.0/images", "POST")

    with big.open("rb") as file, pytest.raises(ServerUnreachableError):
        if form == "split":
            client.images.create(big, metadata=meta, wait=True)
        elif form == "stream":
            client.images.create(_OnlyRead(file), wait=True)  # type: ignore[arg-type]
        else:
            client.images.create(big if form == "file" else big.read_bytes(), wait=True)

    assert proxy.count("POST") == 1
    assert until(lambda: leftovers(real) == before)
    assert real.get("images") == []
    assert client.images.create(big, wait=True).fingerprint == factory.fingerprint(big)


class _OnlyRead:
    def __init__(self, file: object) -> None:
        self.read = file.read  # type: ignore[attr-defined]


def test_an_upload_whose_reply_is_lost_says_that_the_image_may_be_there(
    real: RunningServer, proxy: Proxy, client: Client, big: Path
) -> None:
    proxy.inject(Fault("cut", at=0), "/1.0/images", "POST")

    with pytest.raises(ServerUnreachableError) as caught:
        client.images.create(big, wait=True)

    assert any("may have the image" in note for note in caught.value.__notes__)
    fingerprint = factory.fingerprint(big)
    assert until(lambda: bool(real.get("images")))
    assert client.images.create(big, wait=True, exist_ok=True).fingerprint == fingerprint
    with pytest.raises(ImageExistsError):
        client.images.create(big, wait=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_upload_that_is_garbled_on_the_way_is_not_kept(
    real: RunningServer, proxy: Proxy, client: Client, big: Path, seed: int
) -> None:
    at = random.Random(seed).randrange(SIZE // 2, SIZE)
    proxy.inject(Fault("garble", "up", at, seed=seed), "/1.0/images", "POST")

    with pytest.raises(LxdImageError):
        client.images.create(big, wait=True)

    assert until(lambda: real.get("images") == [])


# Operations that the server has forgotten


def forgotten(answer: Answer) -> bytes:
    """What a server says 5 s after an operation's end."""
    envelope = {"type": "error", "error": "not found", "error_code": 404, "metadata": None}
    return answer.render(status=404, body=json.dumps(envelope).encode())


def test_an_operation_that_was_forgotten_is_resolved_by_looking_at_the_image(
    real: RunningServer, proxy: Proxy, client: Client
) -> None:
    proxy.inject(Fault("rewrite", times=99, rewrite=forgotten), "/1.0/operations/")

    image = client.images.create(factory.small(1), wait=True)
    assert real.get(f"images/{image.fingerprint}")["fingerprint"] == image.fingerprint
    image.delete()
    assert real.get("images") == []
    with pytest.raises(OperationFailedError):
        client.images.create(_OnlyRead(io.BytesIO(factory.BROKEN["bad architecture"])), wait=True)  # type: ignore[arg-type]


def test_work_that_was_forgotten_is_told_by_the_images(real: RunningServer, proxy: Proxy, client: Client) -> None:
    real.listen()
    real.add_project("web")
    client.reload()
    fingerprint = real.add_image(factory.small(1), aliases=["a"], public=True)
    newer = factory.small(2)
    proxy.inject(Fault("rewrite", times=999, rewrite=forgotten), "/1.0/operations/")

    with client.in_project("web") as web:
        image = client.images.get("a")
        for mode in ("pull", "push", "relay"):
            made = image.copy(web, mode=mode)
            assert made.fingerprint == fingerprint
            made.delete()
        followed = image.copy(web, auto_update=True)
        real.add_image(newer, public=True)
        client.images.aliases.point("a", to=factory.fingerprint(newer))
        assert followed.refresh().fingerprint == factory.fingerprint(newer)


# Daemons that are killed


def test_a_killed_daemon_is_one_error_and_then_it_works_again(
    real: RunningServer, proxy: Proxy, client: Client, big: Path, out: Path
) -> None:
    content = big.read_bytes()
    kept = real.add_image(content)
    image = client.images.get(kept)
    small = factory.small(5)
    calls = {
        "export": (lambda: image.export(out), Fault("call", "down", MIB, action=real.kill), "/export"),
        "upload": (
            lambda: client.images.create(small * 3000, wait=True),
            Fault("call", "up", 500_000, action=real.kill),
            "/1.0/images",
        ),
        "listing": (client.images.all, Fault("call", "up", 10, action=real.kill), "/1.0/images"),
        "wait": (lambda: client.images.create(small, wait=True), Fault("call", "up", 0, action=real.kill), "/wait"),
    }
    for name, (call, fault, path) in calls.items():
        proxy.inject(fault, path, "POST" if name == "upload" else "GET")

        with pytest.raises(ServerUnreachableError) as caught:
            call()

        assert "\n" not in str(caught.value), name
        assert only_right(out, content)
        proxy.heal()
        real.restart()
        assert kept in [i.fingerprint for i in client.images.all()], name
    assert image.export(out).path.read_bytes() == content
