"""What goes wrong on the way: cuts, silence, garbled bytes, killed daemons and Ctrl-C, on a real LXD and Incus.

Nothing wrong ever has its final name, a cut upload leaves nothing, reads are tried again and writes never.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import random
import signal
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lxdimg_nb
from lxdimg_nb import Client
from lxdimg_nb.errors import (
    FingerprintMismatchError,
    ImageExistsError,
    LxdImageError,
    OperationFailedError,
    ServerUnreachableError,
    UnexpectedReplyError,
)
from lxdimg_nb.models import Progress
from tests import factory
from tests.proxy import Answer, Fault, Proxy
from tests.servers import RunningServer, until

pytestmark = pytest.mark.real

MIB = 1024 * 1024
SIZE = 3 * MIB
SEEDS = range(6)
# Long enough for a server under load, short enough to wait for.
TIMEOUT = 1.0


@pytest.fixture
def proxy(real: RunningServer) -> Iterator[Proxy]:
    with Proxy(real.socket, real.folder) as running:
        yield running


@pytest.fixture
def client(proxy: Proxy) -> Iterator[Client]:
    with lxdimg_nb.connect(proxy.url, timeout=TIMEOUT) as connected:
        proxy.forget()
        yield connected


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("big") / "big.tar"
    factory.big(path, SIZE, seed=1)
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def only_right(out: Path, content: bytes) -> bool:
    """Nothing has a final name but the right bytes; what is not finished is ours alone."""
    for path in out.iterdir():
        if path.name.startswith("."):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        else:
            assert path.read_bytes() == content
    return True


def leftovers(server: RunningServer) -> list[str]:
    """Files of the server's image store, as names."""
    return sorted(path.name for path in (server.folder / "images").iterdir())


# Exports


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


# Ctrl-C


class _InterruptedError(KeyboardInterrupt):
    pass


def interrupted(seconds: float, call: Callable[[], object]) -> None:
    """Call, with a Ctrl-C after so many seconds, wherever the code is then.

    That may be in a finalizer, which cannot raise, or within open(), which then leaves a file to be collected:
    Python tells both as unraisable, and both are over when this returns.
    """

    def raise_it(_: int, __: FrameType | None) -> None:
        raise _InterruptedError

    def unraisable(told: sys.UnraisableHookArgs) -> None:
        if not isinstance(told.exc_value, (_InterruptedError, ResourceWarning)):
            tell(told)

    before, tell = signal.signal(signal.SIGALRM, raise_it), sys.unraisablehook
    sys.unraisablehook = unraisable
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            call()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _InterruptedError:
        pass
    finally:
        signal.signal(signal.SIGALRM, before)
        gc.collect()
        sys.unraisablehook = tell


@pytest.mark.parametrize("seed", range(12))
def test_an_interrupt_anywhere_leaves_nothing_that_is_trusted_wrongly(
    real: RunningServer, proxy: Proxy, client: Client, big: Path, out: Path, seed: int
) -> None:
    content = big.read_bytes()
    image = client.images.get(real.add_image(content))
    seconds = random.Random(seed).uniform(0.0005, 0.012)

    interrupted(seconds, lambda: image.export(out))

    assert only_right(out, content)
    assert image.export(out).path.read_bytes() == content
    image.delete()
    interrupted(seconds, lambda: client.images.create(big, wait=True))
    assert until(lambda: not {"running", "pending"} & set(real.get("operations")))
    assert set(real.get("images")) <= {f"/1.0/images/{image.fingerprint}"}
    assert client.images.create(big, wait=True, exist_ok=True).fingerprint == image.fingerprint


@pytest.mark.parametrize("phase", ["hash", "send", "receive"])
def test_an_interrupt_in_the_progress_ends_the_threads(
    real: RunningServer, proxy: Proxy, client: Client, big: Path, out: Path, phase: str
) -> None:
    image = client.images.get(real.add_image(big.read_bytes()))
    seen: list[str] = []
    # Those of the session's demo server are not ours.
    before = set(threading.enumerate())

    def stop(progress: Progress) -> None:
        seen.append(progress.phase)
        if progress.phase == phase:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        if phase == "receive":
            image.export(out, progress=stop)
        else:
            image.delete()
            client.images.create(big, wait=True, progress=stop)

    assert phase in seen
    assert not [t for t in set(threading.enumerate()) - before if t.name.startswith("lxdimg-")]
    assert only_right(out, b"")
