"""The real command lines of LXD and Incus reach the demo server over TLS, trusted by a token, and copy to and fro."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lxdimg_nb import demo
from tests.kit.commandline import CommandLine, image_files, product, server
from tests.kit.demo_http import ask, finished
from tests.kit.servers import RunningServer

pytestmark = pytest.mark.real


__all__ = ["product", "server"]


@pytest.fixture
def cli(server: demo.DemoServer, product: str, tmp_path: Path) -> CommandLine:
    (tmp_path / "home").mkdir()
    return CommandLine("lxc" if product == "lxd" else "incus", server.folder, tmp_path / "home")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return image_files(tmp_path)


def _target(server: demo.DemoServer, alias: str) -> str:
    return str(ask(server.socket, "GET", f"/1.0/images/aliases/{alias}").metadata["target"])


def _trusting(cli: CommandLine, product: str, server: demo.DemoServer) -> str:
    """A trust token of a server, made by the command line itself."""
    return _token(CommandLine(cli.program, server.folder, cli.home), product)


def _token(own: CommandLine, product: str) -> str:
    name = ("--name", "friend") if product == "lxd" else ("friend",)
    return own("config", "trust", "add", *name).strip().splitlines()[-1]


def _two_remotes(cli: CommandLine, product: str, one: demo.DemoServer, other: demo.DemoServer) -> None:
    for name, shown in (("one", one), ("other", other)):
        cli("remote", "add", name, _trusting(cli, product, shown))


def test_a_remote_is_added_with_a_trust_token_that_works_once(
    cli: CommandLine, product: str, server: demo.DemoServer, files: dict[str, Path], tmp_path: Path
) -> None:
    token = _trusting(cli, product, server)

    cli("remote", "add", "friend", token)
    cli("image", "import", str(files["one.tar.gz"]), "friend:", "--alias", "there")

    assert "there" in cli("image", "list", "friend:", "--format", "csv")
    (tmp_path / "stranger").mkdir()
    stranger = CommandLine(cli.program, tmp_path, tmp_path / "stranger")
    stranger("remote", "add", "friend", token, ok=False)
    cli("image", "delete", "friend:there")


@pytest.mark.parametrize("mode", ["pull", "push", "relay"])
@pytest.mark.parametrize("kind", ["unified", "split", "machine"])
def test_copy_between_two_demo_servers(
    cli: CommandLine, product: str, server: demo.DemoServer, files: dict[str, Path], mode: str, kind: str
) -> None:
    parts = {
        "unified": [files["one.tar.gz"]],
        "split": [files["meta.tar.xz"], files["root.img"]],
        "machine": [files["meta.tar.xz"], files["disk.qcow2"]],
    }[kind]
    with demo.start(product=product, inventory=False) as other:
        _two_remotes(cli, product, server, other)
        cli("image", "import", *map(str, parts), "one:", "--alias", "here")

        cli("image", "copy", "one:here", "other:", "--mode", mode, "--copy-aliases", "--alias", "more")

        mine = ask(server.socket, "GET", "/1.0/images?recursion=1").metadata[0]
        copied = ask(other.socket, "GET", "/1.0/images?recursion=1").metadata[0]
        assert {alias["name"] for alias in copied["aliases"]} == {"here", "more"}
        for key in ("fingerprint", "properties", "type", "size", "architecture", "created_at"):
            assert copied[key] == mine[key], key


@pytest.fixture
def daemon(product: str, request: pytest.FixtureRequest) -> RunningServer:
    running = request.getfixturevalue(product)
    assert isinstance(running, RunningServer)
    return running


@pytest.mark.parametrize("mode", ["pull", "push", "relay"])
def test_copy_from_a_demo_server_to_a_real_daemon_and_back(
    cli: CommandLine, product: str, server: demo.DemoServer, daemon: RunningServer, files: dict[str, Path], mode: str
) -> None:
    daemon.listen()
    real = CommandLine(cli.program, daemon.folder, cli.home)
    cli("remote", "add", "one", _trusting(cli, product, server))
    cli("remote", "add", "real", _token(real, product))
    cli("image", "import", str(files["one.tar.gz"]), "one:", "--alias", "out")
    cli("image", "import", str(files["meta.tar.xz"]), str(files["root.img"]), "real:", "--alias", "back")

    cli("image", "copy", "one:out", "real:", "--mode", mode, "--copy-aliases")
    cli("image", "copy", "real:back", "one:", "--mode", mode, "--copy-aliases")

    for alias in ("out", "back"):
        there = daemon.get(f"images/aliases/{alias}")["target"]
        assert there == _target(server, alias)
        theirs = daemon.get(f"images/{there}")["properties"]
        assert theirs == ask(server.socket, "GET", f"/1.0/images/{there}").metadata["properties"]


def test_the_catalogue_of_a_demo_server_is_a_remote_to_list_and_copy_from(
    cli: CommandLine, server: demo.DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cli.environment, "SSL_CERT_FILE", str(server.folder / "server.crt"))
    assert server.https_url is not None

    cli("remote", "add", "catalogue", server.https_url, "--protocol", "simplestreams")
    cli("image", "copy", "catalogue:debian/13", "local:", "--alias", "mine", "--auto-update")

    assert "debian/13" in cli("image", "list", "catalogue:", "--format", "csv")
    offered = json.loads(cli("image", "list", "catalogue:debian/13", "--format", "json"))
    made = json.loads(cli("image", "list", "mine", "--format", "json"))[0]
    assert made["fingerprint"] in {image["fingerprint"] for image in offered}
    assert made["auto_update"] is True


def test_a_real_daemon_copies_from_the_catalogue_of_a_demo_server(
    product: str, server: demo.DemoServer, daemon: RunningServer
) -> None:
    source = {
        "type": "image",
        "mode": "pull",
        "protocol": "simplestreams",
        "server": server.https_url,
        "certificate": server.certificate,
        "alias": "alpine/3.20",
    }

    made = daemon.wait(daemon.raw("POST", "/1.0/images", json={"source": source}))
    mine = finished(server.socket, ask(server.socket, "POST", "/1.0/images", {"source": source}))

    assert made["metadata"]["fingerprint"] == mine["metadata"]["fingerprint"]
    theirs = daemon.get(f"images/{made['metadata']['fingerprint']}")
    own = ask(server.socket, "GET", f"/1.0/images/{made['metadata']['fingerprint']}").metadata
    for key in ("properties", "type", "architecture", "size"):
        assert theirs[key] == own[key], key
