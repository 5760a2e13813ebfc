"""Remotes of lxc and incus: found in the files that they write, and never written."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb.client.config.remotes import find_remote, remotes, remotes_by_name
from lxdimg_nb.errors import InvalidRequestError
from tests.kit import certificates
from tests.kit.homes import write


def test_without_a_configuration_the_built_in_remotes_are_known(home: Path) -> None:
    found = {r.full_name: r for r in remotes()}

    assert {
        "lxc:local",
        "lxc:images",
        "lxc:ubuntu",
        "lxc:ubuntu-daily",
        "lxc:ubuntu-minimal",
        "lxc:ubuntu-minimal-daily",
        "incus:local",
        "incus:images",
    } == set(found)
    assert found["lxc:ubuntu"].addresses == ("https://cloud-images.ubuntu.com/releases",)
    assert found["lxc:ubuntu"].protocol == "simplestreams"
    assert found["incus:images"].addresses == ("https://images.linuxcontainers.org",)
    assert found["incus:local"].protocol == "incus"
    assert found["lxc:local"].local
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("program", ["lxc", "incus"])
def test_the_remotes_are_those_that_the_command_line_lists(home: Path, program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    folder = home / ".config" / program
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}

    def said(*arguments: str) -> str:
        return subprocess.run(
            [program, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=True
        ).stdout

    said("remote", "add", "mirror", "https://127.0.0.1:1/streams", "--protocol=simplestreams", "--public")
    rows = [line.split(",") for line in said("remote", "list", "-f", "csv").splitlines()]

    found = {r.name: r for r in remotes() if r.home == program}
    assert (folder / "config.yml").is_file()
    for name, address, protocol, _, public, *_ in rows:
        remote = found[name.removesuffix(" (current)")]
        assert [a.rstrip("/") for a in remote.addresses] == [address.rstrip("/")]
        assert (remote.protocol, remote.public) == (protocol, public == "YES")


@pytest.mark.parametrize(
    ("variable", "folder", "program"),
    [
        ("", ".config/lxc", "lxc"),
        ("", "snap/lxd/common/config", "lxc"),
        ("LXD_CONF", "elsewhere", "lxc"),
        ("", ".config/incus", "incus"),
        ("INCUS_CONF", "elsewhere", "incus"),
        ("", ".config/lxdimg_nb", "lxdimg"),
        ("LXDIMG_CONF", "elsewhere", "lxdimg"),
        ("XDG_CONFIG_HOME", "xdg/incus", "incus"),
    ],
)
def test_configurations_are_found_where_the_programs_store_them(
    home: Path, monkeypatch: pytest.MonkeyPatch, variable: str, folder: str, program: str
) -> None:
    where = home / folder
    write(where, {"here": {"addr": "https://h:1", "public": False}})
    certificates.pair(where, "client")
    if variable:
        monkeypatch.setenv(variable, str(where.parent if variable.startswith("XDG") else where))

    remote = find_remote("here")

    assert (remote.home, remote.folder) == (program, str(where))
    assert remote.cert == (str(where / "client.crt"), str(where / "client.key"))


def test_the_machines_own_remotes_come_after_the_users(home: Path, tmp_path: Path) -> None:
    shared = write(
        tmp_path / "etc" / "lxd",
        {"both": {"addr": "https://shared:1", "public": True}, "shared": {"addr": "https://shared:2"}},
    )
    (shared / "servercerts").mkdir()
    (shared / "servercerts/shared.crt").write_text("pem")
    own = write(home / ".config/lxc", {"both": {"addr": "https://own:1", "public": True}})
    certificates.pair(own, "client")

    assert find_remote("both").addresses == ("https://own:1",)
    assert find_remote("shared").server_cert == str(shared / "servercerts/shared.crt")
    assert find_remote("shared").cert == (str(own / "client.crt"), str(own / "client.key"))


def test_an_entry_is_read_in_full(home: Path) -> None:
    folder = write(
        home / ".config/incus",
        {
            "many": {
                "addr": "https://a:8443, https://b:8443",
                "last_working_address": "https://b:8443",
                "protocol": "incus",
                "project": "web",
                "auth_type": "tls",
                "public": False,
            },
            "docker": {"addr": "https://docker.io", "protocol": "oci", "public": True},
            "login": {"addr": "https://c:8443", "protocol": "incus", "auth_type": "oidc"},
            "secret": {"addr": "https://max:geheim@d/x", "protocol": "simplestreams", "public": True},
            "../../up": {"addr": "https://e:8443"},
            "odd": {"addr": 7},
            "none": None,
        },
    )
    (folder / "client.ca").write_text("ca")
    certificates.pair(folder, "client")
    pair = tuple(map(str, certificates.pair(folder / "clientcerts", "many")))
    (folder.parent / "up.crt").write_text("not a pinned certificate")

    found = {r.name: r for r in remotes() if r.folder}

    many = found["many"]
    assert many.addresses == ("https://b:8443", "https://a:8443")
    assert (many.project, many.auth_type, many.cert, many.ca) == ("web", "tls", pair, str(folder / "client.ca"))
    assert found["docker"].protocol == "oci"
    assert found["docker"].cert is None
    assert found["login"].auth_type == "oidc"
    assert found["../../up"].server_cert == ""
    assert found["odd"].addresses == ()
    assert "none" not in found
    assert found["secret"].addresses == ("https://d/x",)
    assert "geheim" not in repr(remotes())


def test_a_name_of_both_lxc_and_incus_needs_a_prefix(home: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"'lxc:images'.*'incus:images'"):
        find_remote("images")
    assert find_remote("incus:images").addresses != find_remote("lxc:images").addresses

    write(home / ".config/incus", {"images": {"addr": "https://mine", "protocol": "simplestreams", "public": True}})

    assert find_remote("images").addresses == ("https://mine",)
    assert {"lxc:images", "images", "ubuntu", "lxc:local", "incus:local"} <= set(remotes_by_name())
    assert all(find_remote(name) == remote for name, remote in remotes_by_name().items())


def test_an_unknown_name_is_an_error_that_lists_the_remotes(home: Path) -> None:
    for name in ("ubunto", "lxc:nope", "nonsense:ubuntu"):
        with pytest.raises(InvalidRequestError, match="ubuntu-daily"):
            lxdimg_nb.connect(name)
    with pytest.raises(InvalidRequestError, match="did you mean 'ubuntu'"):
        find_remote("ubunto")


@pytest.mark.parametrize(
    "content", ["{", "- a\n- b\n", "remotes: [", "\0", "a: &a [*a, *a]\n!!python/object:os.x {}\n"]
)
def test_a_configuration_that_cannot_be_read_is_named(home: Path, content: str) -> None:
    folder = home / ".config/lxc"
    folder.mkdir(parents=True)
    (folder / "config.yml").write_text(content)

    with pytest.raises(InvalidRequestError, match=r"lxc/config\.yml"):
        remotes()
