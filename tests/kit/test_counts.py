"""Generated input and the table of counts would notice what they are for."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from lxdimg_nb.errors import InvalidImageError
from tests.kit import counts, fuzz
from tests.kit.fuzz import mutated, odd_json, sentences

VALID = b"valid " * 20


def test_every_input_is_counted_and_errors_of_ours_pass() -> None:
    def read(data: bytes) -> None:
        raise InvalidImageError("no")

    counts.take()
    fuzz.fuzz("a kind", mutated([VALID]), quick=20)(read)()

    ((kind, inputs, survived, lost),) = counts.take()
    assert (kind, survived, lost) == ("a kind", 0, 0)
    assert inputs >= 20


def _other_error(data: bytes) -> None:
    if b"\x80" in data:
        raise ValueError("a traceback")


def _too_much_memory(data: bytes) -> None:
    bytearray(2 * fuzz.MAX_MEMORY)


def _no_words(data: bytes) -> None:
    raise InvalidImageError("")


@pytest.mark.parametrize(
    ("read", "error"), [(_other_error, ValueError), (_too_much_memory, MemoryError), (_no_words, AssertionError)]
)
def test_a_planted_fault_is_found(read: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        fuzz.fuzz("canary", st.binary(max_size=3000), quick=2000)(read)()  # type: ignore[arg-type]
    counts.take()


def test_a_reader_that_takes_too_long_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "MAX_SECONDS", 0.05)

    with pytest.raises(AssertionError, match="for one input"):
        fuzz.fuzz("canary", st.just(b""), quick=1)(lambda _: sum(range(10_000_000)))()
    counts.take()


def test_generated_input_is_often_nearly_right() -> None:
    seen: list[object] = []
    for inputs in (mutated([VALID]), odd_json([{"a": [1, {"b": 2}]}]), sentences(["a", "b"])):
        fuzz.fuzz("a kind", inputs, quick=100)(seen.append)()  # type: ignore[arg-type]
    counts.take()

    assert VALID in seen
    assert any(isinstance(one, bytes) and VALID[:50] in one and one != VALID for one in seen)
    assert {"a": [1, {"b": 2}]} in seen
    assert any(isinstance(one, dict) and "a" in one and one != {"a": [1, {"b": 2}]} for one in seen)
    assert any(isinstance(one, str) and set(one) == {"a", "b"} for one in seen)


def test_the_table_adds_up_what_all_tests_counted() -> None:
    found = [("counts", [("b", 1000, 0, 0), ("a", 1, 2, 0)]), ("other", "x"), ("counts", [("b", 500, 1, 0)])]

    lines = [line.split() for line in counts.table(found)]

    assert lines[1:] == [["a", "1", "2", "0"], ["b", "1,500", "1", "0"], ["all", "1,501", "3", "0"]]
    assert counts.table([]) == []
