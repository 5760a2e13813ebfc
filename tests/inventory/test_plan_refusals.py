"""Plans applied: asked for, refused, stopped, interrupted, gone on with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import lxdimg_nb as lxdimg
from lxdimg_nb.client.project import Project
from lxdimg_nb.client.verbs.write.delete import delete_image
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory import make_frame
from tests.kit.inventories import image, inventory
from tests.kit.planning import PRUNE, demos, detail, fill, states, there, witness
from tests.kit.servers import RunningServer


@pytest.fixture
def start() -> Iterator[Callable[[], RunningServer]]:
    """Starts demo servers of a test's own."""
    with demos() as one:
        yield one


def test_a_failure_does_not_end_the_work(demo: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    _, middle, oldest = fill(demo, 3)
    with lxdimg.connect(demo.url) as client:
        plan = lxdimg.plan.prune(client.images.df(), **PRUNE)
        first = plan.actions[0].fingerprint

        def refuse(project: Project, fingerprint: str, *, wait: bool = True) -> Any:
            if fingerprint == first:
                raise lxdimg.errors.ApiError("no", status_code=500)
            return delete_image(project, fingerprint, wait=wait)

        monkeypatch.setattr("lxdimg_nb.client.image.delete_image", refuse)

        receipts = plan.apply(client, confirm=True)

    assert sorted(states(receipts).values()) == ["done", "failed"]
    assert detail(receipts, first) == "no"
    assert {middle, oldest} - {first} == {fp for fp, state in states(receipts).items() if state == "done"}


def test_a_lost_server_is_not_asked_again_for_each_image(start: Callable[[], RunningServer]) -> None:
    server = start()
    fill(server, 3)
    with lxdimg.connect(server.url) as client:
        plan = lxdimg.plan.set(client.images.df(), public=True)
        server.stop()

        receipts = plan.apply(client, confirm=True)

    assert receipts["state"].tolist() == ["failed", "not tried", "not tried"]


def test_it_can_be_stopped_and_called_again(demo: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    newest, *rest = fill(demo, 4)
    stop = threading.Event()
    with lxdimg.connect(demo.url) as client:
        plan = lxdimg.plan.prune(client.images.df(), **PRUNE)

        def delete_and_stop(project: Project, fingerprint: str, *, wait: bool = True) -> Any:
            done = delete_image(project, fingerprint, wait=wait)
            stop.set()
            return done

        monkeypatch.setattr("lxdimg_nb.client.image.delete_image", delete_and_stop)
        first = plan.apply(client, confirm=True, stop=stop)
        stop.clear()
        second = plan.apply(client, confirm=True)

    assert sorted(states(first).values()) == ["done", "not tried", "not tried"]
    assert sorted(states(second).values()) == ["done", "done", "skipped"]
    assert there(demo) == [newest]
    assert len(rest) == 3


def test_an_interrupt_leaves_the_receipts(demo: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(demo, 4)
    with lxdimg.connect(demo.url) as client:
        plan = lxdimg.plan.prune(client.images.df(), **PRUNE)
        calls: list[str] = []

        def interrupted(project: Project, fingerprint: str, *, wait: bool = True) -> Any:
            calls.append(fingerprint)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return delete_image(project, fingerprint, wait=wait)

        monkeypatch.setattr("lxdimg_nb.client.image.delete_image", interrupted)
        with pytest.raises(KeyboardInterrupt):
            plan.apply(client, confirm=True)

    assert plan.receipts is not None
    assert plan.receipts["state"].tolist() == ["done", "failed", "not tried"]
    assert "interrupted" in plan.receipts["detail"].iloc[1]


@pytest.mark.parametrize(("answer", "left"), [("yes", 1), ("", 2), ("no", 2)])
def test_it_asks_and_says_what_it_is_about_to_do(
    demo: RunningServer, monkeypatch: pytest.MonkeyPatch, answer: str, left: int
) -> None:
    fill(demo, 2)
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or answer)
    with lxdimg.connect(demo.url) as client:
        receipts = lxdimg.plan.prune(client.images.df(), **PRUNE).apply(client)

    assert "1 image to delete" in asked[0]
    assert client.url in asked[0]
    assert "project default" in asked[0]
    assert len(there(demo)) == left
    assert receipts["state"].tolist() == ["done" if left == 1 else "not tried"]


def test_where_nobody_can_be_asked_nothing_is_done(demo: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: str) -> str:
        raise EOFError

    fill(demo, 2)
    monkeypatch.setattr("builtins.input", nobody)
    with (
        lxdimg.connect(demo.url) as client,
        pytest.raises(InvalidRequestError, match="confirm=True"),
    ):
        lxdimg.plan.prune(client.images.df(), **PRUNE).apply(client)

    assert len(there(demo)) == 2


def test_a_plan_for_another_server_is_refused_and_nothing_changes(
    demo: RunningServer, start: Callable[[], RunningServer]
) -> None:
    other = start()
    fill(demo, 2), fill(other, 2)
    with (
        lxdimg.connect(demo.url) as client,
        lxdimg.connect(other.url) as stranger,
        witness(other) as (url, lines),
        lxdimg.connect(url) as watched,
    ):
        plan = lxdimg.plan.prune(client.images.df(), **PRUNE)

        for wrong in (stranger, watched):
            with pytest.raises(InvalidRequestError, match=r"was made for .* nothing was changed"):
                plan.apply(wrong, confirm=True)

        assert {line.split()[0] for line in lines} == {"GET"}
    assert len(there(demo)) == len(there(other)) == 2
    assert plan.receipts is None


def test_a_server_is_known_again_by_its_certificate_at_another_address(demo: RunningServer) -> None:
    fill(demo, 2)
    with (
        lxdimg.connect(demo.url) as client,
        witness(demo) as (url, _),
        lxdimg.connect(url) as elsewhere,
    ):
        receipts = lxdimg.plan.prune(client.images.df(), **PRUNE).apply(elsewhere, confirm=True)

    assert receipts["state"].tolist() == ["done"]


def test_a_plan_for_another_project_is_refused(demo: RunningServer) -> None:
    fill(demo, 2)
    demo.add_project("blue")
    with lxdimg.connect(demo.url) as client:
        plan = lxdimg.plan.prune(client.images.df(), **PRUNE)

        with pytest.raises(InvalidRequestError, match="made for the project default"):
            plan.apply(client.in_project("blue"), confirm=True)


def test_a_plan_of_a_frame_that_names_no_server_is_refused(demo: RunningServer) -> None:
    fill(demo, 2)
    with lxdimg.connect(demo.url) as client:
        nameless = make_frame(client.images.records())

        with pytest.raises(InvalidRequestError, match="names no server"):
            lxdimg.plan.prune(nameless, **PRUNE).apply(client, confirm=True)


@pytest.mark.parametrize("wrong", [None, "unix:///run/one.socket", 5])
def test_a_plan_is_applied_by_clients_only(wrong: Any) -> None:
    plan = lxdimg.plan.set(inventory(image(0)), public=True)

    with pytest.raises(InvalidRequestError, match="apply takes the server's client, clients by name, or a fleet"):
        plan.apply(wrong, confirm=True)


def test_a_plan_with_nothing_to_do_asks_nobody() -> None:
    plan = lxdimg.plan.prune(inventory(image(0)), expired=True)

    assert plan.apply({}).summary == "nothing was to do"


@pytest.mark.parametrize("wrong", ["no", "False", 1, None, [False]])
def test_what_is_not_true_does_not_confirm(demo: RunningServer, wrong: Any) -> None:
    made = fill(demo, 3)
    with lxdimg.connect(demo.url) as client:
        plan = lxdimg.plan.prune(client.images.df(), **PRUNE)

        with pytest.raises(InvalidRequestError, match="confirm is True or False"):
            plan.apply(client, confirm=wrong)

        assert {i.fingerprint for i in client.images.all()} == set(made)
