"""The servers that the other tests stand on: each one takes images, lists them and comes up empty again."""

from __future__ import annotations

import os
import platform
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lxdimg_nb import demo
from lxdimg_nb.demo.stock import sample_images
from lxdimg_nb.demo.stock.root_filesystems import init_program
from tests.kit import daemons, factory, servers
from tests.kit.servers import RunningServer
from tests.kit.waiting import until

FILE_SIZE, MEMORY_SIZE, CODE = 96, 104, 120  # where an ELF file with one segment says them, and has it


def test_an_image_is_on_the_server_as_it_was_put_there(server: RunningServer):
    data = factory.small(1)
    # Incus 6.16 and newer refuses spaces in names.
    odd = "a/b-c" if server.product == "incus" else "a/b c"

    fingerprint = server.add_image(data, ["web", odd], {"os": "Other"}, public=True, filename="one.tar.gz")

    image = server.get(f"images/{fingerprint}")
    assert fingerprint == factory.fingerprint(data)
    assert (image["public"], image["filename"], image["size"]) == (True, "one.tar.gz", len(data))
    assert sorted(alias["name"] for alias in image["aliases"]) == [odd, "web"]
    assert image["properties"] == factory.properties(1) | {"os": "Other"}
    assert server.raw("GET", f"/1.0/images/{fingerprint}/export").body == data


@pytest.mark.parametrize("vm", [False, True])
def test_a_split_image_is_on_the_server(server: RunningServer, vm: bool):
    parts = factory.split(2, vm)

    fingerprint = server.add_image(parts)

    image = server.get(f"images/{fingerprint}")
    assert fingerprint == factory.fingerprint(*parts)
    assert image["type"] == ("virtual-machine" if vm else "container")
    assert image["size"] == sum(map(len, parts))


@pytest.mark.parametrize("compression", ["gz", "xz", "bz2", "zst", "none"])
def test_every_compression_is_taken(server: RunningServer, compression: factory.Compression):
    data = factory.small(3, compression=compression, type="virtual-machine")

    assert server.get(f"images/{server.add_image(data)}")["type"] == "virtual-machine"


@pytest.mark.parametrize("what", factory.BROKEN)
def test_a_broken_image_fails_its_operation_and_the_server_lives_on(server: RunningServer, what: str):
    reply = server.raw("POST", "/1.0/images", factory.BROKEN[what], {"Content-Type": "application/octet-stream"})

    operation = server.wait(reply, ok=False)

    assert operation["status_code"] == 400
    assert operation["err"]
    assert server.get("images") == []


def test_an_instance_and_its_snapshot_know_their_image(server: RunningServer):
    fingerprint = server.add_image(factory.small(4))

    server.add_instance("c1", fingerprint)
    server.add_snapshot("c1", "s1")

    assert server.get("instances/c1")["config"]["volatile.base_image"] == fingerprint
    assert server.get("instances/c1/snapshots/s1")["config"]["volatile.base_image"] == fingerprint


def test_cleaning_takes_everything_away(server: RunningServer):
    fingerprint = server.add_image(factory.small(5), ["web"])
    server.add_instance("c1", fingerprint)
    server.add_snapshot("c1", "s1")
    server.add_project("other")
    server.add_project("guest", features_images=False)
    server.add_image(factory.small(6), ["there"], project="other")
    server.raw("POST", f"/1.0/images/{fingerprint}/secret")

    server.clean()

    for what in ("images", "images/aliases", "instances"):
        assert server.get(what) == []
    assert server.get("projects") == ["/1.0/projects/default"]
    assert not server.get("operations").get("running")


def started(server: RunningServer, name: str, *, project: str | None = None) -> None:
    """Make a container of a sample image and start it."""
    server.add_instance(name, server.add_image(demo.sample_image(), project=project), project=project)
    server.start_instance(name, project=project)


def init_after(steps: int) -> bytes:
    """The init of sample images, counting to `steps` before it asks for signals."""
    program = init_program("x86_64")
    count = bytes.fromhex("48b9") + struct.pack("<Q", steps) + bytes.fromhex("48ffc975fb")  # mov rcx; dec rcx; jnz
    late = bytearray(program[:CODE] + count + program[CODE:])
    for size in (FILE_SIZE, MEMORY_SIZE):
        struct.pack_into("<Q", late, size, len(late))
    return bytes(late)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the init of sample images is for x86_64")
@pytest.mark.real
def test_a_started_container_hears_at_once_that_it_is_to_stop(
    real: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_images, "init_program", lambda _architecture: init_after(1_000_000_000))
    started(real, "late")

    state = {"action": "stop", "timeout": 20, "force": False}
    real.wait(real.raw("PUT", "/1.0/instances/late/state", json=state))

    assert real.get("instances/late")["status"] == "Stopped"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the init of sample images is for x86_64")
@pytest.mark.real
def test_cleaning_stops_what_a_failed_test_left_running(real: RunningServer) -> None:
    real.add_project("other")
    started(real, "one")
    started(real, "two", project="other")

    real.clean()

    assert real.get("instances?all-projects=true") == []


def test_a_restarted_server_has_what_it_had(server: RunningServer):
    fingerprint = server.add_image(factory.small(7), ["kept"])
    address = server.listen()

    server.restart()

    assert server.get("images") == [f"/1.0/images/{fingerprint}"]
    assert server.get("images/aliases/kept")["target"] == fingerprint
    assert server.kind == "demo" or server.listen() == address


@pytest.mark.parametrize(
    "kind", [pytest.param("lxd", marks=pytest.mark.real), pytest.param("incus", marks=pytest.mark.real)]
)
def test_a_killed_daemon_is_down_and_comes_back(request: pytest.FixtureRequest, kind: str):
    server: RunningServer = request.getfixturevalue(kind)
    fingerprint = server.add_image(factory.small(8))
    first = server.pid

    server.kill()

    assert not server.alive
    assert not Path(f"/proc/{first}").exists()
    server.restart()
    assert server.get("images") == [f"/1.0/images/{fingerprint}"]


@pytest.mark.real
@pytest.mark.parametrize("kind", ["lxd", "incus"])
def test_a_server_listens_again_after_a_test_took_its_address_away(request: pytest.FixtureRequest, kind: str):
    server: RunningServer = request.getfixturevalue(kind)
    address = server.listen()
    server.raw("PATCH", "/1.0", json={"config": {"core.https_address": ""}})

    assert server.listen() == address

    assert server.get("")["config"]["core.https_address"] == address.removeprefix("https://")


def test_a_daemon_that_cannot_start_says_why(tmp_path: Path, lxd: RunningServer):
    assert lxd.alive
    (tmp_path / "database").write_text("in the way")

    with pytest.raises(daemons.ServerDiedError, match=r"the private lxd does not come up here") as caught:
        servers.start_lxd(tmp_path)

    assert "database" in str(caught.value)


@pytest.mark.real
@pytest.mark.parametrize("kind", ["lxd", "incus"])
def test_a_daemon_ends_with_the_session_that_was_killed(request: pytest.FixtureRequest, kind: str):
    request.getfixturevalue(f"{kind}_daemon")
    folder = Path(tempfile.mkdtemp(prefix="lxi-orphan-", dir="/tmp"))
    program = f"""
import sys, pathlib
from tests.kit import servers
print(servers.start_{kind}(pathlib.Path(sys.argv[1])).pid, flush=True)
sys.stdin.read()
"""
    try:
        with subprocess.Popen(
            [sys.executable, "-c", program, folder],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as session:
            assert session.stdout is not None
            daemon = Path(f"/proc/{int(session.stdout.readline())}")
            assert daemon.exists()

            session.kill()

        assert until(lambda: not daemon.exists())
    finally:
        RunningServer("lxd", folder / "unix.socket", folder).remove()


def run_without_programs(**environment: str) -> subprocess.CompletedProcess[str]:
    """One test that needs LXD, run by a pytest that finds no program at all."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__, "-k", "restarted and lxd"]
    kept = {key: value for key, value in os.environ.items() if key not in ("CI", "LXDIMG_LONG")}
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=kept | {"PATH": "/nonexistent"} | environment,
        check=False,
    )


@pytest.mark.slow
def test_a_missing_daemon_skips_and_the_summary_says_how_many_and_why():
    run = run_without_programs()

    assert run.returncode == 0, run.stdout + run.stderr
    assert "skipped 1 test because LXD is not installed" in run.stdout
    assert "1 skipped" in run.stdout.splitlines()[-1]


@pytest.mark.slow
def test_a_missing_daemon_fails_in_ci():
    run = run_without_programs(CI="true")

    assert run.returncode == 1
    assert "LXD is not installed" in run.stdout
    assert "1 error" in run.stdout.splitlines()[-1]
