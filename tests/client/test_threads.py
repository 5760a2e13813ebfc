"""One `Client` used by many threads at once gives right answers, on a real LXD."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb import Client
from lxdimg_nb.errors import ConflictError, ImageExistsError, LxdImageError, NotFoundError
from tests.kit import factory
from tests.kit.servers import RunningServer

pytestmark = pytest.mark.real

THREADS = 16


@pytest.fixture
def client(lxd: RunningServer) -> Iterator[Client]:
    with lxdimg_nb.connect(lxd.url) as connected:
        yield connected


def together(work: Callable[[int], object], count: int = THREADS) -> list[object]:
    """What `work(0)` … `work(count - 1)` give, begun at the same moment in a thread each."""
    gate = threading.Barrier(count)

    def begin(i: int) -> object:
        gate.wait()
        return work(i)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


def test_sixteen_threads_that_do_everything_at_once_each_see_their_own(
    lxd: RunningServer, client: Client, tmp_path: Path
) -> None:
    before = os.umask(0o022)

    def life(i: int) -> str:
        images = client.images
        folder = tmp_path / str(i)
        folder.mkdir()
        rng = random.Random(i)
        if i % 2:
            data = factory.small(i)
            image = images.create(data, wait=True, aliases=[f"mine-{i}"], properties={"owner": str(i)})
        else:
            path = folder / "in.tar"
            factory.big(path, rng.randrange(100_000, 2_000_000), seed=i)
            data = path.read_bytes()
            image = images.create(path, wait=True, aliases=[f"mine-{i}"], properties={"owner": str(i)})
        for step in range(3):
            image.public = bool(step % 2)
            image.properties["step"] = str(step)
            image.update()
            assert images.get(f"mine-{i}").properties["owner"] == str(i)
            assert image.fingerprint in {record.fingerprint for record in images.records()}
            assert image.export(folder).path.read_bytes() == data
            assert image.export() == data
        again = images.get(image.fingerprint)
        assert (again.properties["owner"], again.properties["step"]) == (str(i), "2")
        if i % 4 == 0:
            again.delete()
            with pytest.raises(NotFoundError):
                images.get(f"mine-{i}")
        return image.fingerprint

    names = together(life)

    kept = {name for i, name in enumerate(names) if i % 4}
    assert {record.fingerprint for record in client.images.records()} == kept
    assert {url.rpartition("/")[2] for url in lxd.get("images")} == kept
    # Every thread's files were given the process's own permissions, and the process has kept them.
    assert os.umask(before) == 0o022


def test_one_image_uploaded_by_sixteen_threads_is_there_once(lxd: RunningServer, client: Client) -> None:
    data = factory.small(1)

    def upload(_: int) -> str:
        try:
            return client.images.create(data, wait=True).fingerprint
        except ImageExistsError as error:
            return error.fingerprint

    assert set(together(upload)) == {factory.fingerprint(data)}
    assert len(lxd.get("images")) == 1


def test_one_image_exported_to_one_folder_by_sixteen_threads_is_right_once(
    lxd: RunningServer, client: Client, tmp_path: Path
) -> None:
    source = tmp_path / "big.tar"
    factory.big(source, 2_000_000, seed=1)
    image = client.images.create(source, wait=True)
    out = tmp_path / "out"
    out.mkdir()

    def export(_: int) -> bool:
        try:
            return bool(client.images.get(image.fingerprint).export(out).path)
        except LxdImageError as error:
            assert "another export" in str(error)
            return False

    done = together(export)

    assert any(done)
    assert [path.name for path in out.iterdir()] == [f"{image.fingerprint}.tar"]
    assert next(out.iterdir()).read_bytes() == source.read_bytes()


def test_one_alias_fought_over_ends_at_one_of_the_images(lxd: RunningServer, client: Client) -> None:
    names = [lxd.add_image(factory.small(i)) for i in range(4)]
    client.images.aliases.create("prize", names[0])

    def grab(i: int) -> str:
        try:
            client.images.aliases.point("prize", to=names[i % 4])
        except ConflictError:
            return "lost"
        return "won"

    outcomes = together(grab)

    assert "won" in outcomes
    assert client.images.aliases.get("prize").target in names


def test_closing_a_client_that_others_use_spoils_nothing(lxd: RunningServer, client: Client) -> None:
    fingerprint = lxd.add_image(factory.small(1))

    def read(i: int) -> str:
        if i == 0:
            client.close()
        return client.images.get(fingerprint).fingerprint

    for _ in range(5):
        assert together(read) == [fingerprint] * THREADS
