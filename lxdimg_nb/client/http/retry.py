"""Reads that are tried again, with growing pauses."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from lxdimg_nb.errors import ApiError, ServerUnreachableError

__all__ = ["retry"]

T = TypeVar("T")


def retry(attempts: int, silence: tuple[type[BaseException], ...], once: Callable[[], T]) -> T:
    """What `once` returns, tried again while the connection breaks or the server is still starting (503).

    Args:
        silence: causes of a `ServerUnreachableError` that end it at once: who does not answer is not asked again.
    """
    for attempt in range(attempts):
        last = attempt == attempts - 1
        try:
            return once()
        except ServerUnreachableError as error:
            if last or isinstance(error.__cause__, silence):
                raise
        except ApiError as error:
            if last or error.status_code != 503:
                raise
        time.sleep(0.1 * 4**attempt * (1 + random.random() / 4))  # noqa: S311
    raise AssertionError("unreachable")
