"""Sample images are real: every server takes them, and they are what was asked for."""

from __future__ import annotations

import io
import platform
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb import Client, demo
from tests.kit.servers import RunningServer

DAY = datetime(2025, 3, 1, 12, 30, tzinfo=UTC)


def test_every_server_takes_a_sample_image_and_knows_what_is_in_it(client: Client, server: RunningServer) -> None:
    data = demo.sample_image(
        "web-1", os="Tour", release="2", created=DAY, files={"etc/motd": "hello\n"}, properties={"owner": "me"}
    )

    verdict = client.images.check(data)
    image = client.images.create(data, wait=True)

    assert verdict.problems == () == verdict.notes
    assert image.type == "container"
    assert image.created_at == DAY
    assert image.architecture == server.get("")["environment"]["kernel_architecture"]
    expected = {"name": "web-1", "os": "Tour", "release": "2", "owner": "me", "serial": "20250301_12:30"}
    assert expected.items() <= image.properties.items()
    assert "rootfs/etc/motd" in list(image.contents().files.index)
    assert image.export() == data


def test_every_server_takes_a_split_sample_image(client: Client, tmp_path: Path) -> None:
    metadata, rootfs = demo.sample_split_image(os="Tour")

    verdict = client.images.check(rootfs, metadata=metadata)
    image = client.images.create(rootfs, metadata=metadata, wait=True)

    assert verdict.problems == () == verdict.notes
    assert image.properties["os"] == "Tour"
    assert image.export(tmp_path).paths[1].read_bytes() == rootfs
    with tarfile.open(fileobj=io.BytesIO(rootfs)) as root:
        assert "etc/os-release" in root.getnames()


def test_every_server_takes_a_docker_save_file_with_metadata_that_are_made(client: Client) -> None:
    data = demo.sample_docker_image("app", os="Tour", created=DAY)
    metadata = lxdimg_nb.image_metadata(data)

    verdict = client.images.check(data, metadata=metadata)
    image = client.images.create(data, metadata=metadata, wait=True)

    assert verdict.problems == () == verdict.notes
    assert (image.fingerprint, image.created_at) == (verdict.fingerprint, DAY)
    assert image.properties["variant"] == "docker"
    assert metadata.notes == (() if platform.machine() == "x86_64" else metadata.notes)
    assert data == demo.sample_docker_image("app", os="Tour", created=DAY)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the init of sample images is for x86_64")
@pytest.mark.real
def test_a_container_of_a_sample_image_starts_and_stops_when_it_is_asked(real: RunningServer) -> None:
    real.add_instance("one", real.add_image(demo.sample_image()))
    real.start_instance("one")

    # Without force the init itself has to end.
    state = {"action": "stop", "timeout": 30, "force": False}
    real.wait(real.raw("PUT", "/1.0/instances/one/state", json=state))

    assert real.get("instances/one")["status"] == "Stopped"


def test_the_size_is_that_of_the_file() -> None:
    assert len(demo.sample_image()) < 2_000
    assert 1 << 20 < len(demo.sample_image(size=1 << 20)) < (1 << 20) + 5_000


def test_the_same_arguments_and_time_make_the_same_bytes_and_without_a_time_another_image() -> None:
    naive = DAY.replace(tzinfo=None)

    assert demo.sample_image(created=DAY, size=99) == demo.sample_image(created=naive, size=99)
    assert demo.sample_image(created=DAY) != demo.sample_image(created=DAY + timedelta(days=1))
    assert demo.sample_image() != demo.sample_image()


@pytest.mark.parametrize("make", [demo.sample_image, demo.sample_split_image])
@pytest.mark.parametrize(
    "arguments",
    [
        {"size": -1},
        {"files": {"/etc/motd": ""}},
        {"files": {"../motd": ""}},
        {"files": {"etc//motd": ""}},
        {"files": {"": ""}},
        {"files": {"etc": "a folder"}},
        {"files": {"etc/hostname/more": "below a file"}},
        {"files": {"etc/a\0b": ""}},
    ],
)
def test_what_makes_no_sense_is_refused(make: Callable[..., object], arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"bytes|path|there already"):
        make(**arguments)
