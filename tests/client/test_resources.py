"""What calls cost, in numbers that no machine's speed changes: requests, connections, bytes sent, bytes held."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb import Client
from lxdimg_nb.client.files import hashing
from lxdimg_nb.client.files.source import Source
from lxdimg_nb.errors import ImageExistsError, ServerUnreachableError
from lxdimg_nb.values import Progress
from tests.kit import factory
from tests.kit.proxy import Fault, Proxy
from tests.kit.servers import RunningServer

MIB = 1024 * 1024
SIZE = 96 * MIB


@pytest.fixture
def proxy(server: RunningServer) -> Iterator[Proxy]:
    with Proxy(server.socket, server.folder) as running:
        yield running


@pytest.fixture
def client(proxy: Proxy) -> Iterator[Client]:
    with lxdimg_nb.connect(proxy.url) as connected:
        proxy.forget()
        yield connected


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("big") / "big.tar"
    factory.big(path, SIZE, seed=1)
    return path


def held(call: Callable[[], object]) -> int:
    """Bytes that Python holds at most while it runs, beyond what it held before."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        call()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def test_connecting_is_one_request(server: RunningServer, proxy: Proxy) -> None:
    with lxdimg_nb.connect(proxy.url):
        assert proxy.requests == [("GET", "/1.0")]


def test_calls_make_the_requests_they_need_and_no_more(server: RunningServer, proxy: Proxy, client: Client) -> None:
    fingerprint = server.add_image(factory.small(1), aliases=["web"])
    image = client.images.get(fingerprint)
    calls: dict[str, tuple[Callable[[], object], int]] = {
        "all": (client.images.all, 1),
        "records": (client.images.records, 1),
        "df": (client.images.df, 1),
        "filter": (lambda: client.images.all(filter="os=debian"), 1),
        "get": (lambda: client.images.get(fingerprint), 1),
        "get by alias": (lambda: client.images.get("web"), 2),
        "exists": (lambda: client.images.exists(fingerprint), 1),
        "attributes": (lambda: (image.size, image.aliases, image.properties, repr(image)), 0),
        "update of nothing": (image.update, 0),
        "export": (image.export, 1),
        "aliases": (client.images.aliases.all, 1),
    }
    for name, (call, most) in calls.items():
        proxy.forget()

        call()

        assert proxy.count() == most, f"{name}: {proxy.requests}"


def test_writes_make_few_requests(server: RunningServer, proxy: Proxy, client: Client) -> None:
    # An upload asks whether the image is there, sends it, waits, and reads what came of it.
    proxy.forget()
    image = client.images.create(factory.small(1), wait=True)
    assert proxy.count() <= 6
    assert proxy.count("POST") == 1
    # A change is one write and one look at what became of it.
    proxy.forget()
    image.public = True
    image.update()
    assert [method for method, _ in proxy.requests] == ["PATCH", "GET"]
    proxy.forget()
    image.delete()
    assert proxy.count() <= 3
    assert proxy.count("DELETE") == 1


def test_one_connection_serves_one_thread(server: RunningServer, proxy: Proxy, client: Client, tmp_path: Path) -> None:
    proxy.connections = 0
    for i in range(10):
        image = client.images.create(factory.small(i), wait=True)
        image.public = True
        image.update()
        image.export(tmp_path)
        image.export()
        client.images.all()
    split = client.images.create(factory.split(1)[1], metadata=factory.split(1)[0], wait=True)
    split.export(tmp_path)

    # The connection that connect() opened serves everything, exports too.
    assert proxy.connections == 0


@pytest.mark.slow
def test_an_upload_of_what_is_there_sends_no_byte_of_it(
    server: RunningServer, proxy: Proxy, client: Client, big: Path
) -> None:
    client.images.create(big, wait=True)
    proxy.forget()

    with pytest.raises(ImageExistsError):
        client.images.create(big, wait=True)

    assert proxy.count("POST") == 0
    assert proxy.bytes["up"] < 10_000


def test_a_resumed_export_brings_only_what_is_missing(
    server: RunningServer, proxy: Proxy, client: Client, big: Path, tmp_path: Path
) -> None:
    image = client.images.create(big, wait=True)
    size = big.stat().st_size
    with big.open("rb") as file:
        (tmp_path / f".{image.fingerprint}.part").write_bytes(file.read(size * 9 // 10))
    proxy.forget()

    made = image.export(tmp_path)

    assert made.received == size - size * 9 // 10
    assert proxy.bytes["down"] < made.received + 10_000


def test_transfers_hold_a_few_blocks_however_large_the_image_is(real: RunningServer, big: Path, tmp_path: Path) -> None:
    metadata = tmp_path / "meta.tar.gz"
    metadata.write_bytes(factory.split(1)[0])
    out = tmp_path / "out"
    out.mkdir()
    with lxdimg_nb.connect(real.url) as client:
        unified = held(lambda: client.images.create(big, wait=True))
        image = client.images.get(factory.fingerprint(big))
        exported = held(lambda: image.export(out))
        split = held(lambda: client.images.create(big, metadata=metadata, wait=True))
        other = client.images.get(factory.fingerprint(metadata, big))
        parts = held(lambda: other.export(out))
        whole = held(image.export)

    assert unified < 4 * MIB
    assert split < 4 * MIB
    assert exported < 8 * MIB
    assert parts < 8 * MIB
    assert whole < 1.2 * SIZE + 4 * MIB


def test_a_listing_holds_what_the_server_sent_and_little_more(real: RunningServer) -> None:
    for i in range(20):
        real.add_image(factory.small(i))
    sent = len(real.raw("GET", "/1.0/images?recursion=1").body)

    with lxdimg_nb.connect(real.url) as client:
        assert held(client.images.records) < 12 * sent + 100_000


@pytest.mark.slow
def test_an_export_interrupted_and_repeated_in_one_session_hashes_nothing_twice(
    server: RunningServer, client: Client, big: Path, tmp_path: Path
) -> None:
    image = client.images.create(big, wait=True)

    def stop(progress: Progress) -> None:
        if progress.done >= SIZE // 2:
            raise KeyboardInterrupt

    def phases() -> set[str]:
        seen: list[Progress] = []
        image.export(tmp_path, progress=seen.append)
        return {progress.phase for progress in seen}

    with pytest.raises(KeyboardInterrupt):
        image.export(tmp_path, progress=stop)
    assert phases() == {"receive"}

    # What was touched since is read and hashed again, and a wrong byte is found.
    (tmp_path / f"{image.fingerprint}.tar").unlink()
    with pytest.raises(KeyboardInterrupt):
        image.export(tmp_path, progress=stop)
    [part] = tmp_path.iterdir()
    with part.open("r+b") as file:
        file.write(b"changed")
    assert phases() == {"hash", "receive"}
    assert next(tmp_path.iterdir()).read_bytes() == big.read_bytes()


@pytest.mark.slow
def test_a_part_file_outlives_a_server_that_is_down(
    server: RunningServer, proxy: Proxy, client: Client, big: Path, tmp_path: Path
) -> None:
    image = client.images.create(big, wait=True)
    part = tmp_path / f".{image.fingerprint}.part"
    part.write_bytes(big.read_bytes()[: SIZE // 2])
    proxy.inject(Fault("cut", times=9), "/export")

    with pytest.raises(ServerUnreachableError):
        image.export(tmp_path)

    assert part.stat().st_size == SIZE // 2
    proxy.heal()
    assert image.export(tmp_path).received == big.stat().st_size - SIZE // 2


def test_a_file_that_was_checked_is_not_hashed_again_unless_it_changed(
    server: RunningServer, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "image.tar.gz"
    file.write_bytes(factory.small(1))
    # As if the file had been left alone for some time.
    monkeypatch.setattr("lxdimg_nb.client.files.hashing.SETTLED_NS", -(10**9))
    summed: list[int] = []
    real = hashing._hash
    monkeypatch.setattr(hashing, "_hash", lambda *given: (summed.append(1), real(*given))[1])

    found = client.images.check(file)
    made = client.images.create(file, wait=True)
    assert (found.fingerprint, made.fingerprint, len(summed)) == (factory.fingerprint(factory.small(1)),) * 2 + (1,)
    file.write_bytes(factory.small(2))
    assert client.images.check(file).fingerprint == factory.fingerprint(factory.small(2))

    assert len(summed) == 2


def test_a_file_that_was_just_written_is_not_noted(server: RunningServer, client: Client, tmp_path: Path) -> None:
    """One more change within the same tick of the file system's clock would not show."""
    file = tmp_path / "image.tar.gz"
    file.write_bytes(factory.small(1))

    client.images.check(file)

    assert not hashing.UploadHash([Source.of(file)], client.server_project.hashes).cached()


def test_a_file_that_was_hashed_before_needs_no_listing_to_be_uploaded(
    demo: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = factory.small(1)
    file = tmp_path / "image.tar.gz"
    file.write_bytes(content)

    def asked(*_: object) -> bool:
        raise AssertionError("the sizes of the server's images were asked for")

    monkeypatch.setattr("lxdimg_nb.client.verbs.write.create.is_new_size", asked)
    with lxdimg_nb.connect(demo.url) as client, file.open("rb") as opened:
        client.server_project.hashes.store(opened.fileno(), len(content), hashlib.sha256(content))
        image = client.images.create(file, wait=True)

    assert image.fingerprint == hashlib.sha256(content).hexdigest()
