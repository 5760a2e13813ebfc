"""Enrolment by trust token, on all three servers: what is checked and what is kept."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

import lxdimg_nb
from lxdimg_nb.errors import (
    InvalidRequestError,
)
from tests.kit import certificates, factory
from tests.kit.homes import files_in, token_of
from tests.kit.servers import RunningServer


def test_a_token_makes_the_address_and_the_name_connect(listening: RunningServer, home: Path) -> None:
    url = listening.listen()
    fingerprint = listening.add_image(factory.small(1))

    remote = lxdimg_nb.enroll(url, token=token_of(listening))

    for way in (url, url + "/", remote.name, remote.full_name, remote):
        with lxdimg_nb.connect(way) as client:
            assert client.info.trusted
            assert [i.fingerprint for i in client.images.all()] == [fingerprint]
    assert remote.home == "lxdimg"
    assert remote.protocol == ("incus" if listening.product == "incus" else "lxd")
    assert [c["name"] for c in listening.get("certificates?recursion=1")] == ["notebook"]


def test_the_token_alone_is_enough(listening: RunningServer, home: Path) -> None:
    token = token_of(listening)

    remote = lxdimg_nb.enroll("\n " + token[:40] + "\n" + token[40:] + "\n")

    with lxdimg_nb.connect(remote.name) as client:
        assert client.info.trusted


def test_files_are_the_users_own_and_nothing_of_lxc_or_incus_is_touched(listening: RunningServer, home: Path) -> None:
    lxdimg_nb.enroll(listening.listen(), token=token_of(listening))

    files = files_in(home)
    folder = ".config/lxdimg_nb"
    assert files.pop(f"{folder}/client.key") == 0o600
    assert files.pop(f"{folder}/config.yml") == 0o600
    assert sorted(files) == [f"{folder}/client.crt", next(n for n in files if "servercerts/" in n)]
    assert stat.S_IMODE((home / folder).stat().st_mode) == 0o700


def test_a_second_server_gets_the_same_client_certificate(lxd: RunningServer, incus: RunningServer, home: Path) -> None:
    first = lxdimg_nb.enroll(lxd.listen(), token=token_of(lxd))
    second = lxdimg_nb.enroll(incus.listen(), token=token_of(incus))

    assert first.cert == second.cert
    assert first.name != second.name
    for remote, product in ((first, "lxd"), (second, "incus")):
        with lxdimg_nb.connect(remote.name) as client:
            assert client.info.product == product


@pytest.mark.parametrize("existing", [False, True], ids=["new configuration", "own configuration"])
def test_with_a_name_the_server_is_a_remote_of_the_command_line(
    listening: RunningServer, home: Path, existing: bool
) -> None:
    program = "incus" if listening.product == "incus" else "lxc"
    folder = home / ".config" / program
    if existing:
        folder.mkdir(parents=True)
        old = {
            "default-remote": "mine",
            "remotes": {"mine": {"addr": "https://h:1", "public": False}},
            "aliases": {"a": "b"},
        }
        (folder / "config.yml").write_text(yaml.safe_dump(old))
        (folder / "config.yml").chmod(0o640)
    listening.add_image(factory.small(4), aliases=["four"])

    remote = lxdimg_nb.enroll(listening.listen(), token=token_of(listening), name="lab")

    assert remote.full_name == f"{program}:lab"
    written = yaml.safe_load((folder / "config.yml").read_text())
    if existing:
        assert written["default-remote"] == "mine"
        assert written["remotes"]["mine"] == {"addr": "https://h:1", "public": False}
        assert written["aliases"] == {"a": "b"}
        assert stat.S_IMODE((folder / "config.yml").stat().st_mode) == 0o640
    else:
        assert written["default-remote"] == "local"
    with lxdimg_nb.connect("lab") as client:
        assert client.images.get("four").fingerprint
    if shutil.which(program):
        variable = "INCUS_CONF" if program == "incus" else "LXD_CONF"
        said = subprocess.run(
            [program, "image", "list", "lab:", "-f", "csv", "-c", "l"],
            env={"PATH": os.environ["PATH"], "HOME": str(home), variable: str(folder)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert said.stdout.strip() == "four"


def test_the_command_lines_own_certificate_is_used_with_a_name(listening: RunningServer, home: Path) -> None:
    program = "incus" if listening.product == "incus" else "lxc"
    cert, key = certificates.pair(home / ".config" / program, "client")
    before = cert.read_bytes(), key.read_bytes()

    remote = lxdimg_nb.enroll(listening.listen(), token=token_of(listening), name="lab")

    assert remote.cert == (str(cert), str(key))
    assert (cert.read_bytes(), key.read_bytes()) == before


def test_a_certificate_of_ones_own_is_used_and_remembered(
    listening: RunningServer, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = certificates.pair(tmp_path / "mine", "me")
    monkeypatch.chdir(tmp_path)

    lxdimg_nb.enroll(listening.listen(), token=token_of(listening), cert=("mine/me.crt", "mine/me.key"))
    monkeypatch.chdir("/")

    with lxdimg_nb.connect(listening.listen()) as client:
        assert client.info.trusted
    assert not (home / ".config/lxdimg_nb/client.key").exists()
    with pytest.raises(InvalidRequestError, match="one certificate for all"):
        lxdimg_nb.enroll(listening.listen(), token=token_of(listening), cert=(cert, key), name="lab")


def test_an_interrupted_first_time_is_made_whole(listening: RunningServer, home: Path) -> None:
    token = token_of(listening)
    folder = home / ".config/lxdimg_nb"
    _, key = certificates.pair(folder, "client")
    (folder / "client.crt").unlink()
    before = Path(key).read_bytes()

    lxdimg_nb.enroll(token)

    assert Path(key).read_bytes() == before
    with lxdimg_nb.connect(listening.listen()) as client:
        assert client.info.trusted
