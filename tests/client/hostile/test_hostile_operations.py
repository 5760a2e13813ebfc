"""Servers that lie about operations, images and lists: no other image is touched, and every wait has an end."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from lxdimg_nb import Client
from lxdimg_nb.errors import (
    FingerprintMismatchError,
    LxdImageError,
    NotFoundError,
    OperationFailedError,
    OperationTimeoutError,
    UnexpectedReplyError,
)
from tests.kit import factory
from tests.kit.counts import count
from tests.kit.hostile_server import OPERATION, HostileServer, Peer, Request, envelope, http_reply, operation, survives
from tests.kit.inventories import fingerprint, image

ONE, TWO = fingerprint(1), fingerprint(2)
OTHER = "00000000-1111-2222-3333-444444444444"


def test_an_operation_without_an_end_is_asked_for_seldom_and_not_for_longer_than_was_said(
    lying: HostileServer, client: Client
) -> None:
    lying.answers = {"/wait": http_reply(operation())}

    error = survives("hostile operations", lambda: client.operations.wait(OPERATION, timeout=1))

    assert isinstance(error, OperationTimeoutError)
    assert len([path for path in lying.paths() if "/wait" in path]) < 12


ENDS: dict[str, tuple[dict[str, Any], type[LxdImageError]]] = {
    "another one's": ({"id": OTHER, "status_code": 200}, UnexpectedReplyError),
    "no number for a state": ({"status_code": "Running"}, UnexpectedReplyError),
    "a state below all": ({"status_code": -7}, UnexpectedReplyError),
    "no state": ({"status_code": None}, UnexpectedReplyError),
    "a state above all": ({"status_code": 10**30, "err": "x"}, OperationFailedError),
    "a failure without words": ({"status_code": 400, "err": None, "status": 5}, OperationFailedError),
    "a failure of 1 MB": ({"status_code": 400, "err": "x " * 500_000}, OperationFailedError),
    "no id": ({"id": 7}, UnexpectedReplyError),
}


@pytest.mark.parametrize("kind", ENDS)
def test_an_operation_that_makes_no_sense_is_one_error(lying: HostileServer, client: Client, kind: str) -> None:
    fields, expected = ENDS[kind]
    lying.answers = {"/1.0/operations/": http_reply(operation(**fields))}

    error = survives("hostile operations", lambda: client.operations.wait(OPERATION, timeout=60))

    assert isinstance(error, expected)


def test_an_import_that_ends_as_another_image_deletes_none_that_was_there(lying: HostileServer, client: Client) -> None:
    lying.answers = {
        "POST /1.0/images": http_reply(operation(), 202),
        "/1.0/operations/": http_reply(operation(status_code=200, metadata={"fingerprint": TWO})),
    }

    error = survives("hostile operations", lambda: client.images.create(factory.small(1), wait=True))

    assert isinstance(error, FingerprintMismatchError)
    assert lying.paths("DELETE") == []
    count("hostile operations", lost=0)


def test_an_answer_about_another_image_is_not_taken_for_the_one_that_was_asked_for(
    lying: HostileServer, client: Client
) -> None:
    found = client.images.get(ONE)
    lying.answers = {f"GET /1.0/images/{ONE}": http_reply(envelope(image(2)), ETag="e2")}
    found.public = True

    calls: tuple[Callable[[], object], ...] = (
        lambda: client.images.get(ONE),
        lambda: client.images.get(ONE[:20]),
        lambda: client.images.read(ONE),
        found.reload,
        found.update,
    )
    for call in calls:
        assert isinstance(survives("hostile operations", call), (UnexpectedReplyError, NotFoundError))

    assert all(ONE in path for path in lying.paths("PUT") + lying.paths("PATCH"))
    assert lying.paths("DELETE") == []


def test_a_list_that_changes_between_two_requests_is_read_once(lying: HostileServer, client: Client) -> None:
    numbers = itertools.count(1000)

    def another(peer: Peer, _: Request) -> None:
        used_by = [f"/1.0/images/{fingerprint(next(numbers))}" for _ in range(5)]
        peer.send(http_reply(envelope({"name": "default", "config": {}, "used_by": used_by})))

    rows = [image(i) for i in range(1200)]
    lying.answers = {"/1.0/projects/": another, "/1.0/images\\?": http_reply(envelope(rows))}

    found = client.images.all()

    assert len(found) == 1200
    assert len(lying.asked) < 12
