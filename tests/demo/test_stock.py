"""The inventory of the demo server: small, real, and with something to find for every question."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest

from lxdimg_nb import demo
from lxdimg_nb.demo.store import daemon
from tests.kit.demo_http import ask, finished
from tests.kit.processor_time import processor_seconds

NEVER = ("0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z")
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def stocked() -> Iterator[demo.DemoServer]:
    with demo.start() as server:
        yield server


@pytest.fixture(scope="module")
def images(stocked: demo.DemoServer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for project in ("default", "web", "ci"):
        rows = ask(stocked.socket, "GET", f"/1.0/images?recursion=1&project={project}").metadata
        found += [{**row, "project": project} for row in rows]
    return found


def _when(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_there_are_two_dozen_over_systems_architectures_types_and_projects(images: list[dict[str, Any]]) -> None:
    assert len(images) >= 24
    assert len({image["properties"]["os"] for image in images}) >= 6
    assert {image["architecture"] for image in images} == {"x86_64", "aarch64"}
    assert {image["type"] for image in images} == {"container", "virtual-machine"}
    assert {image["project"] for image in images} == {"default", "web", "ci"}
    assert all(image["size"] < 100_000 for image in images)


def test_every_question_of_the_inventory_finds_something(images: list[dict[str, Any]]) -> None:
    never_used = [image for image in images if image["last_used_at"] in NEVER]
    stale = [
        i for i in images if i["last_used_at"] not in NEVER and _when(i["last_used_at"]) < NOW - timedelta(days=90)
    ]
    expired = [i for i in images if i["expires_at"] not in NEVER and _when(i["expires_at"]) < NOW]
    exposed = [image for image in images if image["public"] and "published from" in image["properties"]["description"]]
    keys = ("os", "release", "architecture", "variant", "type")
    builds = Counter((i["project"], *(i["properties"][key] for key in keys)) for i in images)
    several = [
        fingerprint for fingerprint, count in Counter(image["fingerprint"] for image in images).items() if count > 1
    ]

    assert len(never_used) >= 3
    assert len(stale) >= 2
    assert len(expired) >= 3
    assert len(exposed) >= 2
    assert max(builds.values()) >= 2
    assert several
    assert any(image["cached"] for image in images)
    assert any(image["auto_update"] and "update_source" not in image for image in images)
    assert any(image["aliases"] == [] for image in images)


def test_times_are_in_a_possible_order(images: list[dict[str, Any]]) -> None:
    for image in images:
        assert _when(image["created_at"]) < NOW
        if image["last_used_at"] not in NEVER:
            assert _when(image["uploaded_at"]) < _when(image["last_used_at"]) < NOW


def test_builds_are_of_the_days_before_the_first_start(images: list[dict[str, Any]]) -> None:
    for image in images:
        serial = image["properties"]["serial"]
        built = datetime.strptime(serial, "%Y%m%d_%H:%M").replace(tzinfo=UTC)
        assert built == _when(image["created_at"]) < _when(image["uploaded_at"])
    newest = max(_when(image["created_at"]) for image in images)
    assert timedelta() < NOW - newest < timedelta(days=30)


def test_the_catalogue_has_newer_builds_and_both_stay_as_they_are_on_later_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seen() -> tuple[list[str], dict[str, list[str]]]:
        with demo.start(tmp_path, https=False) as server:
            streams = json.loads(ask(server.socket, "GET", "/streams/v1/images.json").body)["products"]
            listed: list[str] = ask(server.socket, "GET", "/1.0/images").metadata
            return listed, {name: sorted(product["versions"]) for name, product in streams.items()}

    first = seen()
    monkeypatch.setattr(daemon, "datetime", _Later)
    later = seen()

    serials = [serial for versions in first[1].values() for serial in versions]
    assert later == first
    assert NOW - timedelta(days=4) < datetime.strptime(max(serials), "%Y%m%d_%H:%M").replace(tzinfo=UTC) < NOW


class _Later(datetime):
    """A clock that is half a year ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> _Later:
        return super().now(tz) + timedelta(days=180)


def test_instances_and_snapshots_use_some_of_them(stocked: demo.DemoServer, images: list[dict[str, Any]]) -> None:
    instances = ask(stocked.socket, "GET", "/1.0/instances?recursion=2&all-projects=true").metadata
    used = {instance["config"]["volatile.base_image"] for instance in instances}
    by_snapshot = {
        snapshot["config"]["volatile.base_image"] for instance in instances for snapshot in instance["snapshots"] or []
    }

    known = {image["fingerprint"] for image in images}
    assert used <= known
    assert by_snapshot <= known
    assert by_snapshot - used
    assert known - used - by_snapshot


def test_every_image_is_what_its_fingerprint_says_and_can_be_imported_again(
    stocked: demo.DemoServer, images: list[dict[str, Any]]
) -> None:
    with demo.start(inventory=False) as other:
        for image in images:
            path = f"/1.0/images/{image['fingerprint']}/export?project={image['project']}"
            said = ask(stocked.socket, "GET", path)
            headers = {"Content-Type": said.headers["Content-Type"]}
            operation = finished(other.socket, ask(other.socket, "POST", "/1.0/images", said.body, headers))
            again = operation["metadata"]
            assert again["fingerprint"] == image["fingerprint"]
            if operation["err"]:
                assert operation["err"] == "Image with same fingerprint already exists"
                continue
            fresh = ask(other.socket, "GET", f"/1.0/images/{image['fingerprint']}").metadata
            for key in ("properties", "architecture", "created_at", "type", "size"):
                assert fresh[key] == image[key], key


def test_two_servers_have_the_same_images(images: list[dict[str, Any]]) -> None:
    with demo.start() as other:
        rows = ask(other.socket, "GET", "/1.0/images").metadata

    mine = sorted(f"/1.0/images/{image['fingerprint']}" for image in images if image["project"] == "default")
    assert rows == mine


def test_projects_list_all_their_images(stocked: demo.DemoServer, images: list[dict[str, Any]]) -> None:
    for name in ("default", "web", "ci"):
        used_by = ask(stocked.socket, "GET", f"/1.0/projects/{name}").metadata["used_by"]
        listed = {url.split("?")[0].rsplit("/", 1)[1] for url in used_by if url.startswith("/1.0/images/")}
        assert listed == {image["fingerprint"] for image in images if image["project"] == name}


@pytest.mark.skipif(shutil.which("unsquashfs") is None, reason="squashfs-tools are not installed")
def test_a_squashfs_of_the_inventory_can_be_read(
    stocked: demo.DemoServer, images: list[dict[str, Any]], tmp_path: Path
) -> None:
    image = next(image for image in images if image["filename"].endswith(".squashfs"))
    root = stocked.folder / "images" / f"{image['fingerprint']}.rootfs"

    listed = subprocess.run(["unsquashfs", "-l", str(root)], capture_output=True, text=True, check=True)

    assert "etc/hostname" in listed.stdout


@pytest.mark.slow
@pytest.mark.parametrize("product", ["lxd", "incus"])
def test_ten_thousand_images_are_made_and_listed_quickly(product: str) -> None:
    with demo.start(product=product, inventory=False) as server:
        assert demo.fill(server, 10_000) == 10_000
        rows = ask(server.socket, "GET", "/1.0/images?recursion=1").metadata
        taken = processor_seconds(lambda: ask(server.socket, "GET", "/1.0/images?recursion=1").metadata)

    assert len(rows) == 10_000
    # A real LXD takes two seconds for a tenth of it; this is a fraction of one.
    assert taken < 4 * processor_seconds(lambda: json.loads(json.dumps(rows)))


def test_a_made_image_exports_what_its_fingerprint_says(tmp_path: Path) -> None:
    demo.fill(tmp_path, 50)
    demo.fill(tmp_path, 30)
    with demo.start(tmp_path, inventory=False) as server:
        rows = ask(server.socket, "GET", "/1.0/images?recursion=1").metadata
        for row in rows[::7]:
            data = ask(server.socket, "GET", f"/1.0/images/{row['fingerprint']}/export").body
            assert hashlib.sha256(data).hexdigest() == row["fingerprint"]
            assert len(data) == row["size"]
        saved = tmp_path / "one.tar"
        saved.write_bytes(data)

    assert len(rows) == 80
    with tarfile.open(saved) as tar:
        assert tar.getnames() == ["metadata.yaml", "rootfs"]
        assert json.dumps(rows[0]["properties"])
