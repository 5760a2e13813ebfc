"""A test that is to run alone does so, and is not kept waiting by those that begin meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.turns import FOLDER, turn
from tests.kit.waiting import until


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., threading.Event]:
    """Begins another worker's test; it appends its name once it runs, and ends when its event is set."""
    monkeypatch.setenv(FOLDER, str(tmp_path))

    def begin(name: str, running: list[str], *, alone: bool = False) -> threading.Event:
        end = threading.Event()

        def test() -> None:
            with turn(alone=alone):
                running.append(name)
                end.wait(30)
                running.remove(name)

        threading.Thread(target=test, daemon=True).start()
        return end

    return begin


def test_tests_run_side_by_side_but_for_one_that_is_to_be_alone(worker: Callable[..., threading.Event]) -> None:
    running: list[str] = []
    ends = [worker("one", running), worker("two", running)]
    assert until(lambda: sorted(running) == ["one", "two"])

    ends.append(worker("alone", running, alone=True))
    ends[0].set()
    assert until(lambda: running == ["two"])
    ends[1].set()
    assert until(lambda: running == ["alone"])
    ends.append(worker("three", running))
    assert not until(lambda: "three" in running, timeout=0.2)

    ends[2].set()
    assert until(lambda: running == ["three"])
    ends[3].set()


def test_without_workers_nothing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER, raising=False)

    with turn(alone=True), turn(alone=True):
        pass
