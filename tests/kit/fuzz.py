"""Tests that give a reader generated input: right, or one error of ours, within bounded memory and time."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lxdimg_nb.errors import LxdImageError
from tests.kit.counts import count, long_run

_T = TypeVar("_T")

INPUTS = 2000
QUICK = 100
# Beside what the process has already; one input is a few kB.
MAX_MEMORY = 512 * 1024 * 1024
# Of the processor, not of the clock: other work on the machine does not count.
MAX_SECONDS = 3.0
MAX_SIZE = 64 * 1024


def fuzz(
    kind: str, inputs: st.SearchStrategy[_T], *, quick: int = QUICK
) -> Callable[[Callable[[_T], object]], Callable[[], None]]:
    """Make a test of a function that reads one input: it may return, or raise an error of this package.

    Args:
        kind: its row in the table of counts.
        inputs: what to try.
        quick: how many; in `tests/run --long` there are 2,000.
    """

    def decorate(read: Callable[[_T], object]) -> Callable[[], None]:
        @settings(
            max_examples=INPUTS if long_run() else quick,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(inputs)
        def one(value: _T) -> None:
            count(kind, inputs=1)
            begun = time.process_time()
            try:
                read(value)
            except LxdImageError as error:
                assert str(error), "an error without words"
            used = time.process_time() - begun
            assert used < MAX_SECONDS, f"{used:.1f} s for one input"

        def test() -> None:
            with bounded_memory():
                one()

        test.__name__, test.__doc__, test.__module__ = read.__name__, read.__doc__, read.__module__
        return test

    return decorate


@contextmanager
def bounded_memory(limit: int = MAX_MEMORY) -> Iterator[None]:
    """Let this process have only so many bytes more; then it gets a MemoryError. Only Linux tells what it has."""
    status = Path("/proc/self/status")
    if not status.exists():
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_DATA)
    used = next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmData:"))
    resource.setrlimit(resource.RLIMIT_DATA, (used + limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


# Generated input

_EDIT = st.tuples(
    st.sampled_from(["flip", "cut", "put", "nul", "dup", "end"]), st.integers(0, 1 << 20), st.binary(max_size=8)
)
_ODD: list[Any] = [
    *(None, True, False, 0, -1, 1, 1 << 31, 1 << 63, 1 << 70, 1.5, 1e308, float("nan"), float("inf")),
    *("", "x", "0", "never", "2026-01-31T00:00:00Z", "0001-01-01T00:00:00Z", "9999-99-99", "../x", "a\0b", "\ud800"),
    *("x" * 5000, "<script>", "\x1b[31m", "\u202e", [], {}, [None], [[]], {"": {}}, {"name": 5}, ["a", 7, {}]),
    *("0" * 64, "F" * 64, "amd64", "virtual-machine", "https://h/p", "%2e%2e", "{0}", "=1+1"),
]


class Bytes(bytes):
    """Bytes that are not shown whole; the line with `reproduce_failure` has them."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes: {self[:200]!r}>"


def mutated(valid: Sequence[bytes], *, edits: int = 4) -> st.SearchStrategy[bytes]:
    """Bytes that a reader takes, with some of them changed, cut, repeated or replaced; also plain rubbish."""
    changed = st.builds(_edited, st.sampled_from(valid), st.lists(_EDIT, max_size=edits))
    return changed | changed | changed | st.binary(max_size=600)


def _edited(data: bytes, edits: list[tuple[str, int, bytes]]) -> bytes:
    for how, where, what in edits:
        # Half of the edits are near the beginning, where most formats keep what matters.
        at = (where >> 1) % (len(data) + 1 if where & 1 else min(len(data), 600) + 1)
        more = len(what) * (1 + where % 97)
        if how == "flip":
            data = data[:at] + what + data[at + len(what) :]
        elif how == "cut":
            data = data[:at] + data[at + more :]
        elif how == "put":
            data = data[:at] + what + data[at:]
        elif how == "nul":
            data = data[:at] + bytes(more) + data[at + more :]
        elif how == "dup":
            data = data[: at + more] + data[at:]
        elif how == "end":
            data = data[:at]
    return Bytes(data[:MAX_SIZE])


def odd_json(valid: Sequence[Any], *, edits: int = 4) -> st.SearchStrategy[Any]:
    """JSON documents that a reader takes, with some values replaced, taken away or under another key."""
    edit = st.tuples(st.integers(0, 1 << 16), st.integers(0, 1 << 16))
    return st.builds(replaced, st.sampled_from(valid), st.lists(edit, max_size=edits)) | st.sampled_from(_ODD)


def replaced(document: Any, edits: list[tuple[int, int]]) -> Any:
    document = deepcopy(document)
    for where, what in edits:
        places = list(_places(document))
        if not places:
            return _ODD[what % len(_ODD)]
        holder, key = places[where % len(places)]
        if what % 7 == 0:
            del holder[key]
        elif what % 7 == 1 and isinstance(holder, dict):
            holder[str(_ODD[what % len(_ODD)])] = holder.pop(key)
        elif what % 7 == 2 and isinstance(holder, list):
            holder.extend(deepcopy(holder[:20]))
        else:
            holder[key] = deepcopy(_ODD[what % len(_ODD)])
    return document


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    for key, value in list(
        node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    ):
        yield node, key
        yield from _places(value)


def sentences(words: Sequence[str], *, most: int = 8) -> st.SearchStrategy[str]:
    """Texts of a small language: its words in any order, with rubbish between them."""
    word = st.sampled_from(words)
    return st.lists(word | word | word | st.text(max_size=4), max_size=most).map("".join)
