"""A Ctrl-C at any line of ours that a call runs through: what is said is so, and the same call succeeds afterwards.

`tests/run --long` tries 300 lines of each call, fewer by default.
"""

from __future__ import annotations

import linecache
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb.client.project import changes_noted
from lxdimg_nb.magics.session.messages import stopped
from tests.kit import factory
from tests.kit.counts import count, long_run
from tests.kit.interrupts import Line, collected, interrupted_at, lines_below
from tests.kit.kernel_faults import UNCHANGED, at_work
from tests.kit.leftovers import only_right
from tests.kit.random_actions import ACTIONS, OTHER, PROPERTIES, World, images
from tests.kit.servers import RunningServer
from tests.kit.waiting import until

pytestmark = pytest.mark.slow

PACKAGE = Path(lxdimg_nb.__file__).parent
CHANGES = ("upload", "split upload", "copy", "update", "alias", "plan")
FEW, MANY = 8, 300


@pytest.fixture
def world(demo: RunningServer, tmp_path: Path) -> Iterator[World]:
    """A demo server with one image, whose own process this is."""
    (tmp_path / "out").mkdir()
    for name, content in zip(
        ("kept", "new", "meta", "root"), (*map(factory.small, (1, 2)), *factory.split(3)), strict=True
    ):
        (tmp_path / f"{name}.tar").write_bytes(content)
    kept = demo.add_image(factory.small(1), ["web"], properties=PROPERTIES)
    demo.add_project(OTHER)
    with lxdimg_nb.connect(demo.url) as client:
        yield World(client, tmp_path, kept)


def lines_of(name: str, demo: RunningServer, world: World) -> list[Line]:
    """Lines that it runs through, once it was done before: always the same ones."""
    action = ACTIONS[name]
    action.act(world)
    action.undo(demo, world)
    found = lines_below(PACKAGE, lambda: action.act(world))
    action.undo(demo, world)
    # The demo server shares the process, but not the thread.
    found = [line for line in found if not line[0].startswith(str(PACKAGE / "demo"))]
    most = MANY if long_run() else FEW
    return random.Random(name).sample(found, min(most, len(found)))


def wrong_at(line: Line, name: str, demo: RunningServer, world: World) -> str:
    """What is wrong after an interrupt there; empty if nothing is."""
    action, where = ACTIONS[name], f"{Path(line[0]).name}:{line[1]} {linecache.getline(*line).strip()}"
    with changes_noted() as changes:
        error = interrupted_at(line, lambda: action.act(world))
    if not until(lambda: not at_work(demo)):
        return f"{where}: an operation does not end"
    done = name in CHANGES and action.done(demo, world)
    if error is not None and not isinstance(error, KeyboardInterrupt):
        return f"{where}: {error!r}"
    if error is not None and done and any(words in stopped(error, changes) + repr(notes(error)) for words in UNCHANGED):
        return f"{where}: it was done, but {stopped(error, changes)!r} {notes(error)}"
    if error is None and name in CHANGES and not done:
        return f"{where}: it was not done"
    # What holds the frames would hold locks and files as well: a kernel keeps the last error.
    try:
        action.act(world)
    except Exception as failure:  # noqa: BLE001 - whatever it is, it is told
        return f"{where}: afterwards {failure!r} after {error!r}"
    finally:
        action.undo(demo, world)
    only_right(world.out, world.content)
    return "" if world.kept in images(demo) else f"{where}: the image is lost"


def notes(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", ()))


@pytest.mark.parametrize("name", [*CHANGES, "export", "read", "history"])
def test_an_interrupt_at_any_line_is_told_truly_and_can_be_followed_by_the_same(
    demo: RunningServer, world: World, name: str
) -> None:
    lines = lines_of(name, demo, world)

    with collected():
        wrong = [said for line in lines if (said := wrong_at(line, name, demo, world))]

    count("interrupts at lines of ours", inputs=len(lines), survived=len(lines) - len(wrong))
    assert not wrong, "\n".join(wrong)
    assert len(lines) >= FEW
    assert sys.exception() is None, "later tests would find this error in the chain of theirs"


def test_a_promise_that_is_not_kept_is_noticed(
    demo: RunningServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.faults.test_interrupts_at_lines.stopped", lambda *_: "stopped; nothing was changed")
    lines = lines_below(PACKAGE / "client" / "verbs", lambda: ACTIONS["update"].act(world))
    ACTIONS["update"].undo(demo, world)
    after = [line for line in lines if "after = project.read" in linecache.getline(*line)]

    with collected():
        noticed = [wrong_at(line, "update", demo, world) for line in after]

    assert [said.startswith("edit.py") for said in noticed] == [True]
