"""Retrying reads with growing pauses.

Not urllib3's `Retry`: it does not see a reply that breaks off in its body, and repeats what timed out.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from lxdimg_nb.errors import ApiError, ServerUnreachableError

__all__ = ["retry"]

# A cluster without a leader looks for one for 10 s before it refuses (LXD 5.0.2, Incus 6.0.4).
PATIENCE = 15.0
# Seconds before the second attempt; four times as long before each later one.
PAUSE = 0.1

T = TypeVar("T")


def retry(attempts: int, timeouts: tuple[type[BaseException], ...], call: Callable[[], T]) -> T:
    """The result of `call`, repeated while the connection breaks or the server is still starting (503).

    After 15 s a refusal is final.

    Args:
        timeouts: causes of a `ServerUnreachableError` that are not retried: who does not answer is not asked again.
    """
    end = time.monotonic() + PATIENCE
    for attempt in range(1, attempts):
        try:
            return call()
        except ServerUnreachableError as error:
            if isinstance(error.__cause__, timeouts):
                raise
        except ApiError as error:
            if error.status_code != 503 or time.monotonic() > end:
                raise
        time.sleep(PAUSE * 4 ** (attempt - 1) * (1 + random.random() / 4))  # noqa: S311
    return call()
