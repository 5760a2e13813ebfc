"""Exports through a line that cuts and garbles, on a real LXD and Incus: nothing wrong ever has its final name."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lxdimg_nb
from lxdimg_nb import Client
from lxdimg_nb.errors import (
    FingerprintMismatchError,
    LxdImageError,
    ServerUnreachableError,
    UnexpectedReplyError,
)
from tests.kit import factory
from tests.kit.faulty import MIB, SEEDS, TIMEOUT, big, client, out
from tests.kit.leftovers import only_right
from tests.kit.proxy import Answer, Fault, Proxy
from tests.kit.servers import RunningServer

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("short_pauses")]

__all__ = ["big", "client", "out"]


@pytest.mark.parametrize("seed", SEEDS)
def test_an_export_that_is_cut_goes_on_and_is_right(
    real: RunningServer, proxy: Proxy, client: Client, big: Path, out: Path, seed: int
) -> None:
    content = big.read_bytes()
    image = client.images.get(real.add_image(content))
    at = random.Random(seed).randrange(1, len(content))
    proxy.inject(Fault("cut", at=at), "/export")

    with pytest.raises(ServerUnreachableError):
        image.export(out)

    assert only_right(out, content)
    had = sum(path.stat().st_size for path in out.iterdir())
    made = image.export(out)
    assert made.path.read_bytes() == content
    assert made.received == len(content) - had
    assert [path.name for path in out.iterdir()] == [f"{image.fingerprint}.tar"]


@pytest.mark.parametrize("seed", SEEDS)
def test_an_export_with_garbled_bytes_is_never_taken_for_the_image(
    real: RunningServer, proxy: Proxy, client: Client, big: Path, out: Path, seed: int
) -> None:
    content = big.read_bytes()
    image = client.images.get(real.add_image(content))
    at = random.Random(seed).randrange(2000, len(content))
    proxy.inject(Fault("garble", at=at, seed=seed), "/export")

    with pytest.raises(FingerprintMismatchError):
        image.export(out)

    assert list(out.iterdir()) == []
    proxy.inject(Fault("garble", at=at, seed=seed), "/export")
    with pytest.raises(FingerprintMismatchError):
        image.export()
    assert image.export(out).path.read_bytes() == content


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(at=st.integers(0, 400), seed=st.integers(0, 1000), length=st.integers(1, 20), cut=st.booleans())
def test_a_reply_whose_head_is_damaged_ends_in_the_image_or_an_error(
    real: RunningServer, proxy: Proxy, tmp_path: Path, at: int, seed: int, length: int, cut: bool
) -> None:
    content = factory.small(1)
    fingerprint = factory.fingerprint(content)
    out = tmp_path / f"{at}-{seed}-{length}-{cut}"
    out.mkdir(exist_ok=True)
    with lxdimg_nb.connect(proxy.url, timeout=TIMEOUT) as client:
        if not client.images.exists(fingerprint):
            real.add_image(content)
        image = client.images.get(fingerprint)
        proxy.inject(Fault("cut" if cut else "garble", at=at, seed=seed, length=length), "/export")

        with contextlib.suppress(LxdImageError):
            image.export(out)
        proxy.heal()

        assert only_right(out, content)
        assert image.export(out).path.read_bytes() == content


@pytest.mark.parametrize("seed", SEEDS)
def test_a_split_export_cut_anywhere_leaves_nothing(
    real: RunningServer, proxy: Proxy, client: Client, out: Path, seed: int
) -> None:
    metadata = factory.split(seed)[0]
    rootfs = b"hsqs" + random.Random(seed).randbytes(300_000)
    image = client.images.get(real.add_image((metadata, rootfs)))
    at = random.Random(seed).randrange(0, 300_800)
    proxy.inject(Fault("cut", at=at), "/export", "GET")

    with pytest.raises(ServerUnreachableError):
        image.export(out)

    assert list(out.iterdir()) == []
    made = image.export(out)
    assert [path.read_bytes() for path in made.paths] == [metadata, rootfs]


def test_a_split_export_that_ends_too_soon_but_properly_leaves_nothing(
    real: RunningServer, proxy: Proxy, client: Client, out: Path
) -> None:
    image = client.images.get(real.add_image(factory.split(1)))
    for count in (10, 200, 700, 1000):
        proxy.inject(Fault("rewrite", rewrite=lambda a, count=count: a.render(body=a.body[:count])), "/export")

        with pytest.raises((UnexpectedReplyError, FingerprintMismatchError)):
            image.export(out, bundle=True)

        assert list(out.iterdir()) == []


def begun(out: Path, fingerprint: str, content: bytes, size: int) -> None:
    """What an interrupted export leaves."""
    part = out / f".{fingerprint}.part"
    part.write_bytes(content[:size])
    part.chmod(0o600)


RANGES = {
    "the whole with 200": lambda a, whole: a.render(status=200, body=whole, Content_Range=None),
    "another beginning": lambda a, whole: a.render(
        body=whole[100:], Content_Range=f"bytes 100-{len(whole) - 1}/{len(whole)}"
    ),
    "no Content-Range": lambda a, _: a.render(Content_Range=None),
    "a Content-Range of words": lambda a, _: a.render(Content_Range="as you like"),
    "416": lambda a, whole: a.render(status=416, body=b"", Content_Range=f"bytes */{len(whole)}"),
    "the right range, other bytes": lambda a, _: a.render(body=bytes(len(a.body))),
    "less than promised": lambda a, _: a.render(body=a.body[:1000], Content_Range=a.header("Content-Range")),
}


@pytest.mark.parametrize("case", RANGES)
def test_a_range_that_is_answered_wrongly_still_ends_in_the_right_file(
    real: RunningServer, proxy: Proxy, client: Client, big: Path, out: Path, case: str
) -> None:
    content = big.read_bytes()
    image = client.images.get(real.add_image(content))
    begun(out, image.fingerprint, content, MIB)
    proxy.inject(Fault("rewrite", rewrite=lambda answer: RANGES[case](answer, content)), "/export")

    made = image.export(out)

    assert made.path.read_bytes() == content
    assert proxy.count("GET", "/export") <= 2


def in_chunks(answer: Answer, body: bytes) -> bytes:
    """A reply that does not say how long it will be."""
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    return answer.render(body=chunks, Content_Length=None, Transfer_Encoding="chunked")


@pytest.mark.parametrize("more", [1, 5 * MIB])
def test_a_server_that_sends_more_than_the_image_cannot_fill_the_disk(
    real: RunningServer, proxy: Proxy, client: Client, out: Path, more: int
) -> None:
    image = client.images.get(real.add_image(factory.small(1)))

    for render in (lambda a: a.render(body=a.body + bytes(more)), lambda a: in_chunks(a, a.body + bytes(more))):
        proxy.inject(Fault("rewrite", times=2, rewrite=render), "/export")
        with pytest.raises(UnexpectedReplyError, match="more than"):
            image.export(out)
        with pytest.raises(UnexpectedReplyError, match="more than"):
            image.export()

    assert list(out.iterdir()) == []


@pytest.mark.parametrize("length", ["5", "100000", "-1", "five", "\xb2", ""])
def test_a_wrong_content_length_ends_in_an_error_and_no_file(
    real: RunningServer, proxy: Proxy, client: Client, out: Path, length: str
) -> None:
    content = factory.small(1)
    image = client.images.get(real.add_image(content))
    proxy.inject(
        Fault("rewrite", rewrite=lambda a: a.render(Content_Length=length, Connection="close")), "/export", "GET"
    )

    with contextlib.suppress(LxdImageError):
        image.export(out)

    assert only_right(out, content)
    assert image.export(out).path.read_bytes() == content


@pytest.mark.parametrize("name", ["../../evil", "/etc/passwd", "", ".bashrc", "a\x00b", "x" * 5000])
def test_the_servers_name_for_an_export_is_not_used(
    real: RunningServer, proxy: Proxy, client: Client, out: Path, name: str
) -> None:
    image = client.images.get(real.add_image(factory.small(1)))
    told = f"attachment; filename=\"{name}\"; filename*=UTF-8''..%2Fevil"
    proxy.inject(Fault("rewrite", rewrite=lambda a: a.render(Content_Disposition=told)), "/export")

    image.export(out)

    assert [path.name for path in out.iterdir()] == [f"{image.fingerprint}.tar.gz"]
