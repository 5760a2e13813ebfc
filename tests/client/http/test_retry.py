"""Reads that are tried again: how often, and after which pauses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lxdimg_nb.client.http import retry
from lxdimg_nb.errors import ApiError, LxdImageError, ServerUnreachableError


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited."""
    waited: list[float] = []
    monkeypatch.setattr(retry.time, "sleep", waited.append)
    return waited


def failing(*errors: LxdImageError) -> Callable[[], str]:
    """A call that fails so often, and then succeeds."""
    left = list(errors)

    def call() -> str:
        if left:
            raise left.pop(0)
        return "read"

    return call


@pytest.mark.parametrize("error", [ServerUnreachableError("broken"), ApiError("starting", status_code=503)])
def test_pauses_grow(pauses: list[float], error: LxdImageError) -> None:
    assert retry.retry(4, (TimeoutError,), failing(error, error, error)) == "read"

    assert len(pauses) == 3
    for pause, least in zip(pauses, (0.1, 0.4, 1.6), strict=True):
        assert least <= pause <= 1.25 * least


def test_the_last_failure_is_the_error(pauses: list[float]) -> None:
    first, second, third = (ServerUnreachableError(text) for text in ("first", "second", "third"))

    with pytest.raises(ServerUnreachableError, match="second"):
        retry.retry(2, (TimeoutError,), failing(first, second, third))

    assert len(pauses) == 1


def test_a_refusal_is_final_and_who_does_not_answer_is_not_asked_again(pauses: list[float]) -> None:
    silent = ServerUnreachableError("silent")
    silent.__cause__ = TimeoutError()

    for error in (silent, ApiError("no", status_code=500)):
        with pytest.raises(type(error)):
            retry.retry(4, (TimeoutError,), failing(error))

    assert pauses == []
