"""Shared listings: a Ctrl-C at any line must leave nobody waiting."""

from __future__ import annotations

import linecache
import sys
import threading
from types import FrameType
from typing import Any

import pytest

from lxdimg_nb.client.http import single_flight
from lxdimg_nb.client.http.single_flight import SingleFlight


def interrupted_at(number: int, served: SingleFlight) -> bool:
    """One listing with a Ctrl-C at that line of the module, counted as they run; whether there was such a line."""
    left = number

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename != single_flight.__file__:
            return None
        line = linecache.getline(single_flight.__file__, frame.f_lineno)
        # Python looks for signals after calls, never between the end of a with block and the release of its lock.
        if event == "line" and not line.strip().startswith("with "):
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        served.run("key", lambda: 1)
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def test_an_interrupt_at_any_line_leaves_nobody_waiting() -> None:
    number = 1
    served = SingleFlight("interrupted")
    while interrupted_at(number, served):
        got: list[int] = []
        waiting = threading.Thread(target=lambda got=got: got.append(served.run("key", lambda: 2)), daemon=True)
        waiting.start()
        waiting.join(60)

        assert got == [2], number
        number += 1
    assert number > 10


def test_the_error_of_a_listing_comes_alone() -> None:
    """`end()` released a lock a second time; its "release unlocked lock" stood in the traceback of the error."""

    def failing() -> int:
        raise LookupError("no such project")

    with pytest.raises(LookupError) as caught:
        SingleFlight("failing").run("key", failing)

    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_who_waits_for_a_listing_that_fails_is_told_why() -> None:
    served = SingleFlight("shared failure")
    running, goes_on = threading.Event(), threading.Event()

    def blocking() -> int:
        running.set()
        goes_on.wait(60)
        return 1

    def failing() -> int:
        raise LookupError("no such project")

    errors: list[BaseException] = []

    def ask() -> None:
        try:
            served.run("second", failing)
        except LookupError as error:
            errors.append(error)

    first = threading.Thread(target=served.run, args=("first", blocking), daemon=True)
    first.start()
    running.wait(60)
    askers = [threading.Thread(target=ask, daemon=True) for _ in range(3)]
    for thread in askers:
        thread.start()
    goes_on.set()
    for thread in (first, *askers):
        thread.join(60)

    assert [str(error) for error in errors] == ["no such project"] * 3
