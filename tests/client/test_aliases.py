"""The contract of `client.images.aliases`, the same on all three servers."""

from __future__ import annotations

import pytest

from lxdimg_nb import Client
from lxdimg_nb.errors import (
    ChangedMeanwhileError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    ServerUnreachableError,
)
from lxdimg_nb.values import Alias
from tests.kit import factory
from tests.kit.servers import RunningServer


@pytest.fixture
def images(server: RunningServer) -> list[str]:
    return [server.add_image(factory.small(i)) for i in range(3)]


def test_an_alias_is_made_read_and_removed(server: RunningServer, client: Client, images: list[str]) -> None:
    aliases = client.images.aliases

    made = aliases.create("a/b c" if server.kind == "lxd" else "a/b-c", images[0], description="mine")

    assert aliases.get(made.name) == made == Alias(made.name, "mine", images[0], "container")
    assert aliases.all() == [made]
    aliases.delete(made.name)
    assert aliases.all() == []
    assert not aliases.exists(made.name)
    with pytest.raises(NotFoundError):
        aliases.delete(made.name)


def test_a_taken_name_and_a_missing_image_are_said(client: Client, images: list[str]) -> None:
    aliases = client.images.aliases
    aliases.create("x", images[0])

    with pytest.raises(ConflictError, match="taken"):
        aliases.create("x", images[1])
    with pytest.raises(NotFoundError):
        aliases.create("y", "0" * 64)
    with pytest.raises(InvalidRequestError, match="no full fingerprint"):
        aliases.create("y", images[0][:12])

    assert [(a.name, a.target) for a in aliases.all()] == [("x", images[0])]


@pytest.mark.parametrize("name", ["", ".", "..", " x", "x\n"])
def test_a_name_that_some_server_would_choke_on_is_refused(client: Client, images: list[str], name: str) -> None:
    with pytest.raises(InvalidRequestError):
        client.images.aliases.create(name, images[0])

    assert client.images.aliases.all() == []


def test_update_keeps_what_was_not_given(client: Client, images: list[str]) -> None:
    aliases = client.images.aliases
    aliases.create("x", images[0], description="words")

    assert aliases.update("x", to=images[1]).description == "words"
    assert aliases.update("x", description="other").target == images[1]
    with pytest.raises(NotFoundError):
        aliases.update("x", to="0" * 64)
    with pytest.raises(NotFoundError):
        aliases.update("y", description="?")

    assert aliases.get("x") == Alias("x", "other", images[1], "container")


def test_point_makes_moves_and_says_what_was(client: Client, images: list[str]) -> None:
    aliases = client.images.aliases

    first = aliases.point("web", to=images[0])
    again = aliases.point("web", to=client.images.get(images[0]))
    moved = aliases.point("web", to=images[1])

    assert (dict(first.before), dict(first.after)) == ({"target": None}, {"target": images[0]})
    assert not again
    assert (dict(moved.before), dict(moved.after)) == ({"target": images[0]}, {"target": images[1]})
    with pytest.raises(NotFoundError):
        aliases.point("web", to="0" * 64)
    assert aliases.get("web").target == images[1]


def test_point_does_not_undo_somebody_elses_move(
    server: RunningServer, client: Client, images: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    aliases = client.images.aliases
    aliases.create("web", images[0])
    request = client.transport.request

    def meddling(method: str, path: str, **kwargs: object) -> object:
        if method == "PUT":
            server.raw("PUT", "/1.0/images/aliases/web", json={"target": images[2], "description": ""})
        return request(method, path, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(client.transport, "request", meddling)

    with pytest.raises(ChangedMeanwhileError) as caught:
        aliases.point("web", to=images[1])

    assert caught.value.theirs["target"] == images[2]
    assert server.get("images/aliases/web")["target"] == images[2]


def test_point_puts_the_name_back_when_its_result_cannot_be_seen(
    server: RunningServer, client: Client, images: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    aliases = client.images.aliases
    aliases.create("web", images[0], description="words")
    request = client.transport.request
    written: list[str] = []

    def shaky(method: str, path: str, **kwargs: object) -> object:
        if method == "GET" and len(written) == 1:
            written.append("read")
            raise ServerUnreachableError("the connection broke")
        if method == "PUT":
            written.append("put")
        return request(method, path, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(client.transport, "request", shaky)

    with pytest.raises(ServerUnreachableError):
        aliases.point("web", to=images[1])

    there = server.get("images/aliases/web")
    assert (there["target"], there["description"]) == (images[0], "words")
    assert written == ["put", "read", "put"]


def test_rename_keeps_target_and_description(client: Client, images: list[str]) -> None:
    aliases = client.images.aliases
    aliases.create("old", images[0], description="words")
    aliases.create("taken", images[1])

    renamed = aliases.rename("old", "new/name")

    assert renamed == Alias("new/name", "words", images[0], "container")
    assert [a.name for a in aliases.all()] == ["new/name", "taken"]
    with pytest.raises(ConflictError, match="taken"):
        aliases.rename("new/name", "taken")
    with pytest.raises(NotFoundError):
        aliases.rename("old", "other")


def test_an_image_takes_and_drops_its_own_names_only(client: Client, images: list[str]) -> None:
    image, other = client.images.get(images[0]), client.images.get(images[1])

    image.add_alias("mine", "words")
    assert [a.name for a in image.aliases] == ["mine"]
    with pytest.raises(NotFoundError, match="another image"):
        other.delete_alias("mine")
    image.delete_alias("mine")

    assert image.aliases == ()
    assert client.images.aliases.all() == []
