"""What was read stays what it was: another build, another target or another project is never hit instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb import Client, Image
from lxdimg_nb.errors import ConflictError, InvalidRequestError, LxdImageError, NotFoundError
from tests.kit import factory
from tests.kit.servers import RunningServer


def _make_public(image: Image) -> None:
    image.public = True
    image.update()


WRITES: dict[str, Callable[[Image], object]] = {
    "update": _make_public,
    "delete": lambda image: image.delete(),
    "delete_alias": lambda image: image.delete_alias("web"),
    "add_alias": lambda image: image.add_alias("more"),
    "secret": lambda image: image.secret(),
    "export": lambda image: image.export(),
    "reload": lambda image: image.reload(),
}


@pytest.mark.parametrize("write", WRITES)
def test_an_image_that_was_replaced_by_a_newer_build_is_gone_and_the_newer_one_is_not_touched(
    server: RunningServer, client: Client, write: str
) -> None:
    old = server.add_image(factory.small(1), aliases=["web"])
    image = client.images.get("web")
    # What a refresh does: the newer build comes, the alias moves, the older one goes.
    new = server.add_image(factory.small(2))
    server.raw("PUT", "/1.0/images/aliases/web", json={"target": new, "description": ""})
    server.wait(server.raw("DELETE", f"/1.0/images/{old}"))
    before = server.get("images?recursion=1")

    with pytest.raises((NotFoundError, ConflictError)):
        WRITES[write](image)

    assert server.get("images?recursion=1") == before
    assert server.get("images/aliases/web")["target"] == new


def test_an_alias_that_was_made_again_is_not_taken_for_the_old_one(server: RunningServer, client: Client) -> None:
    first = server.add_image(factory.small(1), aliases=["web"])
    other = server.add_image(factory.small(2))
    image = client.images.get("web")
    server.raw("DELETE", "/1.0/images/aliases/web")
    server.raw("POST", "/1.0/images/aliases", json={"name": "web", "target": other})

    with pytest.raises(NotFoundError, match="points at another image"):
        image.delete_alias("web")
    image.delete()

    assert [found["fingerprint"] for found in server.get("images?recursion=1")] == [other]
    assert server.get("images/aliases/web")["target"] == other
    assert image.fingerprint == first


@pytest.mark.real
def test_a_project_that_was_renamed_and_made_again_is_not_taken_for_the_old_one(real: RunningServer) -> None:
    server = real
    server.add_project("web")
    old = server.add_image(factory.small(1), project="web", aliases=["app"])
    with lxdimg_nb.connect(server.url, project="web") as client:
        image = client.images.get("app")
        # The servers rename only a project without images.
        assert _renamed(server) is False
        server.wait(server.raw("DELETE", f"/1.0/images/{old}?project=web"))
        assert _renamed(server) is True
        with pytest.raises(NotFoundError):
            client.images.all()
        server.add_project("web")
        kept = server.add_image(factory.small(2), project="web", aliases=["app"])

        for write in (_make_public, lambda found: found.delete(), lambda found: found.delete_alias("app")):
            with pytest.raises(LxdImageError):
                write(image)

    there = server.get("images?recursion=1&project=web")
    assert [(found["fingerprint"], found["public"]) for found in there] == [(kept, False)]
    assert [alias["name"] for alias in there[0]["aliases"]] == ["app"]


def _renamed(server: RunningServer) -> bool:
    """Whether the project web could be renamed to shop."""
    reply = server.raw("POST", "/1.0/projects/web", json={"name": "shop"})
    return reply.status == 202 and server.wait(reply, ok=False)["status_code"] == 200


def test_what_is_no_full_fingerprint_deletes_nothing(server: RunningServer, client: Client) -> None:
    fingerprint = server.add_image(factory.small(1), aliases=["web"])
    from lxdimg_nb.client.verbs.write.delete import delete_image

    for name in (fingerprint[:12], "web", "", fingerprint.upper(), fingerprint + "0", None):
        with pytest.raises(InvalidRequestError):
            delete_image(client.server_project, name)  # type: ignore[arg-type]

    assert len(server.get("images")) == 1


ASKED: dict[str, Callable[[Client, Any], object]] = {
    "create, public": lambda client, x: client.images.create(factory.small(2), public=x),
    "create, auto_update": lambda client, x: client.images.create(factory.small(2), auto_update=x),
    "from url": lambda client, x: client.images.create_from_url("https://127.0.0.1:1/x", auto_update=x),
    "from simplestreams": lambda client, x: client.images.create_from_simplestreams("https://h", "x", auto_update=x),
    "publish, public": lambda client, x: client.images.publish("c1", public=x),
    "publish, stop": lambda client, x: client.images.publish("c1", stop=x),
    "copy, public": lambda client, x: client.images.all()[0].copy(client, public=x),
    "copy, auto_update": lambda client, x: client.images.all()[0].copy(client, auto_update=x),
    "copy, copy_aliases": lambda client, x: client.images.all()[0].copy(client, copy_aliases=x),
}


@pytest.mark.parametrize("call", ASKED)
def test_a_no_in_words_is_no_yes(server: RunningServer, client: Client, call: str) -> None:
    server.add_image(factory.small(1))

    for wrong in ("no", "False", 1, []):
        with pytest.raises(InvalidRequestError, match="is True or False"):
            ASKED[call](client, wrong)

    assert len(server.get("images")) == 1
