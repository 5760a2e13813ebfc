"""No server is found: one sentence says what is wrong, at most four short lines what to do."""

from __future__ import annotations

import grp
import os
import pickle
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb.client.config import local_sockets
from lxdimg_nb.client.config.local_sockets import FORBIDDEN, MISSING, SILENT, Attempt, LocalSocket, unreachable_error
from lxdimg_nb.client.http.diagnosis import socket_advice
from lxdimg_nb.errors import ServerUnreachableError

pytestmark = pytest.mark.usefixtures("short_pauses")

VARIABLES = ("LXD_SOCKET", "LXD_DIR", "INCUS_SOCKET", "INCUS_DIR")
SNAP = LocalSocket("/var/snap/lxd/common/lxd/unix.socket", "lxd")
INCUS = LocalSocket("/run/incus/unix.socket", "incus")


@pytest.fixture
def nothing_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without remotes, where the variables of lxc and incus are not set."""
    for name in (*VARIABLES, "LXDIMG_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("LXD_CONF", "INCUS_CONF", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let only these programs be installed."""

    def only(*names: str) -> None:
        monkeypatch.setattr(local_sockets.shutil, "which", lambda name: f"/usr/bin/{name}" if name in names else None)
        monkeypatch.setattr(local_sockets.os.path, "isdir", lambda path: path == "/snap/lxd" and "snap" in names)

    return only


def unreachable(monkeypatch: pytest.MonkeyPatch, path: Path | str) -> ServerUnreachableError:
    """The error where this is the only place of a local daemon."""
    monkeypatch.setenv("LXD_SOCKET", str(path))
    with pytest.raises(ServerUnreachableError) as caught:
        lxdimg_nb.connect("lxc:local")
    return caught.value


def test_what_is_wrong_and_what_to_do_are_a_sentence_and_four_lines(
    nothing_here: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LXD_SOCKET", str(tmp_path / "a"))
    monkeypatch.setenv("INCUS_DIR", str(tmp_path))

    with pytest.raises(ServerUnreachableError) as caught:
        lxdimg_nb.connect()

    error = caught.value
    assert str(error).splitlines() == [
        "no LXD or Incus answers on this machine",
        "  - start it, or correct $LXD_SOCKET and $INCUS_DIR, where it was looked for",
        "  - or use another server: connect('https://host:8443'), or the name of a remote of lxc or incus",
        "  - or try things out on a demo server: connect(demo=True)",
        "  - error.tried names the 2 places that were tried",
    ]
    assert error.tried == (f"{tmp_path / 'a'} (no such socket)", f"{tmp_path / 'unix.socket'} (no such socket)")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own, made two lines above
    assert (str(again), again.tried, again.advice) == (str(error), error.tried, error.advice)


def test_all_usual_places_are_tried_and_the_paragraph_of_them_is_not_shown(nothing_here: None) -> None:
    if any(os.path.exists(place.path) for place in local_sockets.local_sockets()):
        pytest.skip("an LXD or Incus of this machine's own would be found")

    with pytest.raises(ServerUnreachableError) as caught:
        lxdimg_nb.connect()

    assert len(caught.value.tried) == 7
    assert "unix.socket" not in str(caught.value)
    assert all(len(line) < 120 for line in str(caught.value).splitlines())


@pytest.mark.parametrize(
    ("installed", "advice"),
    [
        (("lxd",), "start it: sudo systemctl start lxd"),
        (("incusd", "lxd"), "start it: sudo systemctl start lxd, or sudo systemctl start incus"),
        (("snap", "lxc"), "start it: sudo snap start lxd"),
        ((), "install one: sudo snap install lxd, or sudo apt install incus"),
    ],
)
def test_what_is_installed_is_to_be_started(
    nothing_here: None, programs: Callable[..., None], installed: tuple[str, ...], advice: str
) -> None:
    programs(*installed)

    error = unreachable_error([Attempt(SNAP.path, MISSING, SNAP), Attempt(INCUS.path, MISSING, INCUS)])

    assert error.advice[0] == advice


@pytest.mark.parametrize(
    ("place", "advice"),
    [
        (SNAP, "sudo snap start lxd"),
        (INCUS, "sudo systemctl start incus"),
        (LocalSocket("/x/s", "lxd"), "nobody listens"),
    ],
)
def test_a_daemon_that_does_not_answer_is_to_be_started(place: LocalSocket, advice: str) -> None:
    error = unreachable_error([Attempt(place.path, SILENT, place)])

    assert error.message.startswith(
        f"the {'LXD' if place.product == 'lxd' else 'Incus'} on this machine, at {place.path}"
    )
    assert advice in error.advice[0]


def test_a_socket_that_nobody_listens_on_is_told_apart_from_none(
    nothing_here: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "dead.socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))

    error = unreachable(monkeypatch, path)

    assert error.message == f"the LXD on this machine, at {path}, does not answer"
    assert error.tried == (f"{path} (does not answer)",)


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A socket that this process may not open, even as root, and whose group is not root's."""
    path = tmp_path / "locked.socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    path.chmod(0o660)
    monkeypatch.setattr(local_sockets.os, "access", lambda place, _mode: str(place) != str(path))
    stat = os.stat

    def of_group(place: str, **options: bool) -> os.stat_result:
        found = stat(place, **options)
        return found if str(place) != str(path) else os.stat_result((*found[:5], 4242, *found[6:10]))

    monkeypatch.setattr(socket_advice.os, "stat", of_group)
    return path


def group(monkeypatch: pytest.MonkeyPatch, name: str, *members: str) -> None:
    """Let the group of the locked socket be this one, and the user be `me`."""
    entry = grp.struct_group((name, "x", 4242, list(members)))
    monkeypatch.setattr(socket_advice.grp, "getgrgid", lambda _gid: entry)
    monkeypatch.setattr(socket_advice.grp, "getgrnam", lambda _name: entry)
    monkeypatch.setattr(socket_advice.getpass, "getuser", lambda: "me")


def test_where_permission_is_missing_the_group_of_the_socket_is_to_be_joined(
    nothing_here: None, monkeypatch: pytest.MonkeyPatch, locked: Path
) -> None:
    group(monkeypatch, "lxd-users")

    error = unreachable(monkeypatch, locked)

    assert error.message == f"you may not use the LXD on this machine, at {locked}"
    assert error.advice[0] == (
        "join the group lxd-users: sudo usermod -aG lxd-users me, then log in again and restart Jupyter"
    )
    assert error.tried == (f"{locked} (you may not open it)",)


def test_who_has_joined_the_group_already_is_to_log_in_again(
    nothing_here: None, monkeypatch: pytest.MonkeyPatch, locked: Path
) -> None:
    group(monkeypatch, "lxd", "me")

    assert "log in again" in unreachable(monkeypatch, locked).advice[0]
    assert "usermod" not in unreachable(monkeypatch, locked).advice[0]


def test_nobody_is_told_to_join_the_group_root(
    nothing_here: None, monkeypatch: pytest.MonkeyPatch, locked: Path
) -> None:
    locked.chmod(0o600)

    assert "usermod" not in unreachable(monkeypatch, locked).advice[0]


def test_permission_beats_what_is_missing() -> None:
    error = unreachable_error([Attempt(SNAP.path, MISSING, SNAP), Attempt(INCUS.path, FORBIDDEN, INCUS)])

    assert error.message == f"you may not use the Incus on this machine, at {INCUS.path}"
    assert "incus-admin" in error.advice[0]


def test_a_folder_that_may_not_be_entered_is_a_matter_of_permission(
    nothing_here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str, **_: bool) -> os.stat_result:
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patched:
        patched.setattr(local_sockets.os, "stat", refuse)
        found = local_sockets.access_to(SNAP)

    assert found == FORBIDDEN


def test_an_address_that_was_named_has_the_advice_of_its_socket(tmp_path: Path) -> None:
    with pytest.raises(ServerUnreachableError) as caught:
        lxdimg_nb.connect("/run/incus/none.socket")

    assert caught.value.message.endswith("there is no such socket; is the daemon running?")
    assert caught.value.advice == ("start it: sudo systemctl start incus",)
    with pytest.raises(ServerUnreachableError) as caught:
        lxdimg_nb.connect(tmp_path / "none.socket")
    assert caught.value.advice == ()


def test_what_the_environment_says_cannot_break_the_lines(nothing_here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    error = unreachable(monkeypatch, "/x\n\x1b[31m/\u202esocket?secret=hidden")

    for text in (*error.tried, *str(error).splitlines()):
        assert text.isprintable()
    assert "hidden" not in str(error) + "".join(error.tried)
    assert len(error.tried) == 1
