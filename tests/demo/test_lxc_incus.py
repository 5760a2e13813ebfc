"""The real command lines of LXD and Incus drive the demo server as they drive a daemon."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from lxdimg_nb import demo
from tests.kit import factory
from tests.kit.commandline import CommandLine, image_files, product, server
from tests.kit.demo_http import ask

pytestmark = pytest.mark.real


__all__ = ["product", "server"]


@pytest.fixture
def stocked(product: str) -> Iterator[demo.DemoServer]:
    with demo.start(product=product) as running:
        yield running


MakeCli = Callable[[demo.DemoServer], CommandLine]


@pytest.fixture
def make_cli(product: str, tmp_path: Path) -> MakeCli:
    program = "lxc" if product == "lxd" else "incus"

    def make(server: demo.DemoServer) -> CommandLine:
        home = tmp_path / f"home-{server.folder.name}"
        home.mkdir(exist_ok=True)
        return CommandLine(program, server.folder, home)

    return make


@pytest.fixture
def cli(server: demo.DemoServer, make_cli: MakeCli) -> CommandLine:
    return make_cli(server)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return image_files(tmp_path)


def test_import_unified_with_aliases_properties_and_public(cli: CommandLine, files: dict[str, Path]) -> None:
    said = cli(
        "image", "import", str(files["one.tar.gz"]), "--alias", "one", "--alias", "a/b", "--public", "team=web team"
    )

    fingerprint = hashlib.sha256(files["one.tar.gz"].read_bytes()).hexdigest()
    assert fingerprint in said
    shown = json.loads(cli("image", "list", "one", "--format", "json"))[0]
    assert shown["fingerprint"] == fingerprint
    assert sorted(alias["name"] for alias in shown["aliases"]) == ["a/b", "one"]
    assert shown["public"] is True
    assert shown["properties"]["team"] == "web team"
    assert shown["filename"] == "one.tar.gz"


def test_import_split_and_virtual_machine(cli: CommandLine, files: dict[str, Path]) -> None:
    cli("image", "import", str(files["meta.tar.xz"]), str(files["root.img"]), "--alias", "split")
    cli("image", "import", str(files["meta.tar.xz"]), str(files["disk.qcow2"]), "--alias", "machine")

    assert "container" in cli("image", "info", "split").lower()
    assert "virtual-machine" in cli("image", "info", "machine").lower()
    both = files["meta.tar.xz"].read_bytes() + files["root.img"].read_bytes()
    assert cli.fingerprint("split") == hashlib.sha256(both).hexdigest()


def test_import_a_folder(cli: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    (folder / "rootfs" / "etc").mkdir(parents=True)
    (folder / "templates").mkdir()
    (folder / "rootfs" / "etc" / "hostname").write_text("x\n")
    (folder / "metadata.yaml").write_text("architecture: x86_64\ncreation_date: 1700000000\n")

    cli("image", "import", str(folder), "--alias", "packed")

    assert "x86_64" in cli("image", "info", "packed")


def test_import_tells_what_the_server_said_of_a_bad_file(cli: CommandLine, tmp_path: Path) -> None:
    bad = tmp_path / "bad.tar.gz"
    bad.write_bytes(b"this is no image" * 100)

    assert "Unsupported compression" in cli("image", "import", str(bad), ok=False)


def test_a_second_import_is_refused(cli: CommandLine, files: dict[str, Path]) -> None:
    cli("image", "import", str(files["one.tar.gz"]))

    assert "same fingerprint already exists" in cli("image", "import", str(files["one.tar.gz"]), ok=False)


def test_list_in_every_format_with_every_column(stocked: demo.DemoServer, make_cli: MakeCli) -> None:
    cli = make_cli(stocked)
    count = len(ask(stocked.socket, "GET", "/1.0/images").metadata)

    table = cli("image", "list", "-c", "LlfFpdasut")
    rows = list(csv.reader(io.StringIO(cli("image", "list", "--format", "csv", "-c", "LlfFpdasut"))))

    assert "debian/12" in table
    assert len(rows) == count
    assert {len(row) for row in rows} == {10}
    assert len(json.loads(cli("image", "list", "--format", "json"))) == count
    assert len(yaml.safe_load(cli("image", "list", "--format", "yaml"))) == count
    assert "debian/12" in cli("image", "list", "--format", "compact")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (["os=Debian"], {"debian/11", "debian/12", "debian/12/arm64", "debian/12/cloud", "debian/13"}),
        (["debian/12/cl"], {"debian/12/cloud"}),
        (["os=Debian", "variant=cloud"], {"debian/12/cloud"}),
        (["type=virtual-machine", "os=Fedora"], {"fedora/40"}),
        (["architecture=aarch64", "os=Ubuntu"], {"ubuntu/22.04/arm64"}),
        (["os=Ub.*", "release=jammy"], {"ubuntu/22.04", "ubuntu/22.04/arm64"}),
        (["os=nothing"], set()),
    ],
)
def test_list_with_filters(stocked: demo.DemoServer, make_cli: MakeCli, asked: list[str], expected: set[str]) -> None:
    cli = make_cli(stocked)

    found = json.loads(cli("image", "list", *asked, "--format", "json"))

    assert {alias["name"] for image in found for alias in image["aliases"]} == expected


def test_list_of_another_project(stocked: demo.DemoServer, make_cli: MakeCli) -> None:
    cli = make_cli(stocked)

    found = json.loads(cli("image", "list", "--project", "web", "--format", "json"))

    assert "nginx" in {alias["name"] for image in found for alias in image["aliases"]}
    assert "web" in cli("project", "list")


def test_info_and_show(stocked: demo.DemoServer, make_cli: MakeCli) -> None:
    cli = make_cli(stocked)

    assert "Expires: never" in cli("image", "info", "debian/12")
    assert yaml.safe_load(cli("image", "show", "debian/12"))["properties"]["os"] == "Debian"
    assert "not found" in cli("image", "info", "no-such-image", ok=False).lower()


def test_edit_from_standard_input(cli: CommandLine, files: dict[str, Path]) -> None:
    cli("image", "import", str(files["one.tar.gz"]), "--alias", "one")
    shown = cli("image", "show", "one")
    edited = shown.replace("public: false", "public: true").replace("properties:", 'properties:\n  note: "ä <b>"')

    cli("image", "edit", "one", stdin=edited)

    again = yaml.safe_load(cli("image", "show", "one"))
    assert again["public"] is True
    assert again["properties"] == yaml.safe_load(shown)["properties"] | {"note": "ä <b>"}


def test_properties_are_set_read_and_removed(cli: CommandLine, files: dict[str, Path]) -> None:
    cli("image", "import", str(files["one.tar.gz"]), "--alias", "one")

    cli("image", "set-property", "one", "team", "web")
    assert cli("image", "get-property", "one", "team").strip() == "web"
    cli("image", "unset-property", "one", "team")

    assert "team" not in cli("image", "show", "one")


def test_aliases_are_made_renamed_listed_and_removed(cli: CommandLine, files: dict[str, Path]) -> None:
    cli("image", "import", str(files["one.tar.gz"]), "--alias", "one")
    fingerprint = cli.fingerprint("one")

    cli("image", "alias", "create", "two/x", fingerprint)
    cli("image", "alias", "rename", "two/x", "three/x")
    listed = json.loads(cli("image", "alias", "list", "--format", "json"))
    cli("image", "alias", "delete", "one")

    assert {alias["name"] for alias in listed} == {"one", "three/x"}
    assert [alias["name"] for alias in json.loads(cli("image", "alias", "list", "--format", "json"))] == ["three/x"]
    assert "already exists" in cli("image", "alias", "create", "three/x", fingerprint, ok=False)


def test_export_to_a_folder_a_name_and_a_dash(cli: CommandLine, files: dict[str, Path], tmp_path: Path) -> None:
    cli("image", "import", str(files["one.tar.gz"]), "--alias", "one")
    fingerprint = cli.fingerprint("one")
    (tmp_path / "out").mkdir()

    cli("image", "export", "one", str(tmp_path / "out"))
    cli("image", "export", "one", str(tmp_path / "named"))
    # For lxc 5.0.2 and incus 6.0.4 this is a name like any other, whatever their help says.
    cli("image", "export", "one", "-")

    content = files["one.tar.gz"].read_bytes()
    assert (tmp_path / "out" / f"{fingerprint}.tar.gz").read_bytes() == content
    assert (tmp_path / "named.tar.gz").read_bytes() == content
    assert (tmp_path / "-.tar.gz").read_bytes() == content


@pytest.mark.parametrize("root", ["root.img", "disk.qcow2"])
def test_export_of_a_split_image_writes_both_files(
    cli: CommandLine, files: dict[str, Path], tmp_path: Path, root: str
) -> None:
    cli("image", "import", str(files["meta.tar.xz"]), str(files[root]), "--alias", "split")
    (tmp_path / "out").mkdir()

    cli("image", "export", "split", str(tmp_path / "out"))

    written = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert sorted(written.values()) == sorted([files["meta.tar.xz"].read_bytes(), files[root].read_bytes()])
    assert any(name.startswith("meta-") for name in written)


def test_delete_several_at_once(cli: CommandLine, files: dict[str, Path]) -> None:
    cli("image", "import", str(files["one.tar.gz"]), "--alias", "one")
    cli("image", "import", str(files["two.tar.xz"]), "--alias", "two")

    cli("image", "delete", "one", "two")

    assert json.loads(cli("image", "list", "--format", "json")) == []
    assert json.loads(cli("image", "alias", "list", "--format", "json")) == []


def test_refresh_fetches_the_newer_build_or_says_there_is_none(stocked: demo.DemoServer, make_cli: MakeCli) -> None:
    cli = make_cli(stocked)
    before = json.loads(cli("image", "list", "debian/13", "--format", "json"))[0]

    first = cli("image", "refresh", "debian/13")
    second = cli("image", "refresh", "debian/13")

    after = json.loads(cli("image", "list", "debian/13", "--format", "json"))[0]
    assert after["fingerprint"] != before["fingerprint"]
    assert after["properties"]["serial"] > before["properties"]["serial"]
    assert "refreshed successfully" in first.lower()
    assert "up to date" in second.lower() or "already" in second.lower()


def test_publish_of_a_stopped_instance_and_of_a_snapshot(stocked: demo.DemoServer, make_cli: MakeCli) -> None:
    cli = make_cli(stocked)

    cli("publish", "mail", "--alias", "from-mail", "--public", "note=by hand")
    cli("publish", "db-2/before-upgrade", "--alias", "from-snapshot", "--expire", "2040-01-02T03:04:05Z")

    made = json.loads(cli("image", "list", "from-mail", "--format", "json"))[0]
    kept = json.loads(cli("image", "list", "from-snapshot", "--format", "json"))[0]
    assert made["public"] is True
    assert made["properties"]["note"] == "by hand"
    assert kept["expires_at"] == "2040-01-02T03:04:05Z"


def test_instances_are_made_from_images(stocked: demo.DemoServer, make_cli: MakeCli) -> None:
    cli = make_cli(stocked)

    cli("init", "debian/12", "fresh")

    assert "fresh" in cli("list", "--format", "csv", "-c", "n").split()
    assert cli("config", "get", "fresh", "volatile.base_image").strip() == _target(stocked, "debian/12")


def _target(server: demo.DemoServer, alias: str) -> str:
    return str(ask(server.socket, "GET", f"/1.0/images/aliases/{alias}").metadata["target"])


def test_monitor_hears_of_an_import(cli: CommandLine, files: dict[str, Path]) -> None:
    command = [cli.program, "monitor", "--type", "lifecycle", "--format", "json"]
    listening = subprocess.Popen(command, stdout=subprocess.PIPE, env=cli.environment)
    assert listening.stdout is not None
    heard: list[bytes] = []
    first = threading.Event()

    def listen() -> None:
        assert listening.stdout is not None
        for line in listening.stdout:
            heard.append(line)
            first.set()

    reader = threading.Thread(target=listen)
    reader.start()
    try:
        for number in range(50):
            # It cannot be seen from outside when it has begun to listen.
            path = files["one.tar.gz"].with_name(f"{number}.tar.gz")
            path.write_bytes(factory.small(100 + number))
            cli("image", "import", str(path))
            if first.wait(0.1):
                break
    finally:
        listening.terminate()
        listening.wait(60)
        reader.join()
        listening.stdout.close()

    assert json.loads(heard[0])["metadata"]["action"] == "image-created"
