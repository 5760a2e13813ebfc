"""What a call is given by mistake: one error of the package, on one line, and nothing is changed."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb import Client, errors
from tests.kit import factory
from tests.kit.servers import RunningServer

pytestmark = pytest.mark.usefixtures("short_pauses")

NAMES = (None, 5, b"web", ["web"], "", " ", "..", "\0", "two\nlines", "\x1b[31m", "\ud800", "ü%/?#", "x" * 5000)

CALLS: dict[str, Callable[[Client, Any], object]] = {
    "get": lambda client, x: client.images.get(x),
    "exists": lambda client, x: client.images.exists(x) or client.images.get(x),
    "get_by_alias": lambda client, x: client.images.get_by_alias(x),
    "delete": lambda client, x: client.images.delete(x),
    "create": lambda client, x: client.images.create(x, wait=True),
    "check": lambda client, x: client.images.check(x).ok or client.images.get("none"),
    "publish": lambda client, x: client.images.publish(x),
    "from url": lambda client, x: client.images.create_from_url(x),
    "from simplestreams": lambda client, x: client.images.create_from_simplestreams(x, x),
    "alias get": lambda client, x: client.images.aliases.get(x),
    "alias delete": lambda client, x: client.images.aliases.delete(x),
    "alias update": lambda client, x: client.images.aliases.update(x, description="x"),
    "alias target": lambda client, x: client.images.aliases.create("new", x),
    "alias point": lambda client, x: client.images.aliases.point("web", to=x),
    "copy": lambda client, x: client.images.get("web").copy(x),
    "operation": lambda client, x: client.operations.get(x),
    "events": lambda client, x: client.events(x),
    "project": lambda client, x: client.in_project(x),
}


@pytest.mark.parametrize("call", CALLS)
def test_what_names_nothing_is_one_error_on_one_line(server: RunningServer, client: Client, call: str) -> None:
    server.add_image(factory.small(1), aliases=["web"])
    image = client.images.get("web")

    for wrong in NAMES:
        with pytest.raises(errors.LxdImageError) as caught:
            CALLS[call](client, wrong)
        text = str(caught.value)
        assert text.isprintable(), (wrong, text)
        assert len(text) < 1000, wrong

    assert [i.raw for i in client.images.records()] == [image.record.raw]


@pytest.mark.parametrize("wrong", NAMES[1:])
def test_an_address_that_makes_no_sense_is_said(wrong: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    with pytest.raises(errors.LxdImageError) as caught:
        lxdimg_nb.connect(wrong)

    assert str(caught.value).isprintable()


@pytest.mark.parametrize("field", ["public", "auto_update", "properties", "expires_at", "profiles"])
def test_a_value_of_the_wrong_kind_is_refused_when_it_is_assigned(
    server: RunningServer, client: Client, field: str
) -> None:
    server.add_image(factory.small(1), aliases=["web"])
    image = client.images.get("web")

    for wrong in (5, b"x", ["x", 3], {"a": 1}, object()):
        with pytest.raises(errors.InvalidRequestError):
            setattr(image, field, wrong)

    assert image.changes == {}


SETTINGS: tuple[dict[str, Any], ...] = (
    {"properties": "x"},
    {"properties": [("a", "b")]},
    {"properties": {"a": None}},
    {"properties": {"a": "b\0c"}},
    {"properties": {"\ud800": "a"}},
    {"profiles": "nope"},
    {"profiles": ["default", "nope"]},
    {"profiles": ["default", "default"]},
    {"profiles": 5},
    {"aliases": [""]},
    {"aliases": 5},
    {"expires_at": "soon"},
    {"filename": 5},
    {"type": "vm"},
    {"public": "no"},
)


@pytest.mark.parametrize("wrong", SETTINGS, ids=str)
def test_a_setting_that_makes_no_sense_is_said_before_anything_is_sent(
    server: RunningServer, client: Client, wrong: dict[str, Any]
) -> None:
    with pytest.raises(errors.LxdImageError) as caught:
        client.images.create(factory.small(1), wait=True, **wrong)

    assert str(caught.value).isprintable()
    assert server.get("images") == []


def test_what_was_put_into_an_images_own_lists_is_looked_at_before_it_is_sent(
    server: RunningServer, client: Client
) -> None:
    server.add_image(factory.small(1), aliases=["web"])
    for wrong in (5, None, "a\0b", "\ud800"):
        image = client.images.get("web")
        image.properties["x"] = wrong  # type: ignore[assignment]
        with pytest.raises(errors.InvalidRequestError):
            image.update()
    for wrong in (5, "default", ""):
        image = client.images.get("web")
        image.profiles.append(wrong)  # type: ignore[arg-type]
        with pytest.raises(errors.InvalidRequestError):
            image.update()

    assert image.reload().changes == {}


def test_an_alias_that_is_named_twice_is_made_once(server: RunningServer, client: Client) -> None:
    image = client.images.create(factory.small(1), wait=True, aliases=["x", "x"])

    assert [alias.name for alias in image.aliases] == ["x"]


@pytest.mark.parametrize("wrong", ["", 5, b"x", ["x"], "\0", "x" * 5000, "\ud8ff"])
def test_a_path_that_no_file_can_have_is_said(server: RunningServer, client: Client, wrong: Any) -> None:
    image = client.images.get(server.add_image(factory.small(1)))

    with pytest.raises(errors.InvalidRequestError) as caught:
        image.export(wrong)

    assert str(caught.value).isprintable()


NO_PATHS = ("", "\0", "\ud8ff", "x" * 5000, "~no-such-user/x", "/" + "x/" * 3000, "pipe", "socket", "/dev/zero")
PATHS: dict[str, Callable[[Client, Any], object]] = {
    "create": lambda client, x: client.images.create(x, wait=True),
    "check": lambda client, x: client.images.check(x),
    "metadata of an image": lambda client, x: client.images.create(factory.small(1), metadata=x, wait=True),
    "image_metadata": lambda _, x: lxdimg_nb.image_metadata(x),
    "export": lambda client, x: client.images.get("web").export(x),
    "history": lambda client, x: lxdimg_nb.History(x).record(client.images.df()),
    "socket": lambda _, x: lxdimg_nb.connect(f"unix:{x or '.'}"),
    "key": lambda _, x: lxdimg_nb.connect("https://127.0.0.1:1", cert=(x, x)),
    "server's certificate": lambda _, x: lxdimg_nb.connect("https://127.0.0.1:1", server_cert=x),
}


@pytest.mark.parametrize("call", PATHS)
def test_a_path_where_no_file_is_ends_in_one_error_and_waits_for_nothing(
    demo: RunningServer, client: Client, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo.add_image(factory.small(1), aliases=["web"])
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("socket")

    for wrong in NO_PATHS:
        with pytest.raises(errors.LxdImageError) as caught:
            PATHS[call](client, wrong)
        assert str(caught.value).splitlines()[0].isprintable(), wrong

    listener.close()
    assert sorted(os.listdir()) == ["pipe", "socket"]
    assert len(demo.get("images")) == 1


@pytest.mark.parametrize("wrong", [".", "inner", "~"])
def test_a_folder_that_is_no_root_file_system_is_not_sent(
    demo: RunningServer, client: Client, wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "inner").mkdir()
    (tmp_path / "diary.txt").write_text("private")

    for data, metadata in ((factory.small(1), wrong), (wrong, factory.small(1))):
        with pytest.raises(errors.InvalidImageError, match="no root file system"):
            client.images.create(data, metadata=metadata, wait=True)

    assert demo.get("images") == []


def test_a_current_folder_that_is_gone_is_said(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    for call in (lambda: lxdimg_nb.connect("./socket"), lambda: client.images.check("x")):
        with pytest.raises(errors.LxdImageError):
            call()


class OddFile(io.RawIOBase):
    """A stream whose second block is something else."""

    def __init__(self, second: Callable[[], Any]) -> None:
        self._blocks = iter([lambda: factory.small(1)[:100], second, lambda: b""])

    def read(self, _size: int = -1) -> Any:
        return next(self._blocks)()


def _broken() -> bytes:
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize(
    ("second", "said"), [(_broken, "cannot be read: Input/output error"), (lambda: None, "O_NONBLOCK")]
)
def test_a_stream_that_breaks_off_is_no_shorter_image_and_no_lost_server(
    server: RunningServer, client: Client, second: Callable[[], Any], said: str
) -> None:
    with pytest.raises(errors.LxdImageError, match=said):
        client.images.create(OddFile(second), wait=True)

    assert server.get("images") == []


def test_a_fleet_of_a_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(errors.InvalidRequestError):
        lxdimg_nb.Fleet(["\ud800"])


@pytest.mark.parametrize("wrong", [5, b"os=debian", [5]])
def test_a_filter_is_a_text(client: Client, wrong: Any) -> None:
    with pytest.raises(errors.InvalidRequestError):
        client.images.all(filter=wrong)


def test_a_closed_client_opens_its_connections_again(server: RunningServer, client: Client) -> None:
    fingerprint = server.add_image(factory.small(1))
    client.close()
    client.close()

    assert [i.fingerprint for i in client.images.all()] == [fingerprint]


def test_an_error_is_one_line_whatever_a_server_puts_in_it() -> None:
    error = errors.ApiError("the server says: a\nb\x1b[2J\u202e secret=abc " + "x" * 9000 + " try again")

    assert str(error).isprintable()
    assert str(error).startswith("the server says: a b?[2J? secret=*** xxx")
    assert str(error).endswith("… try again")
