"""How long a call keeps the processor busy, for tests that compare one call with another."""

from __future__ import annotations

import time
from collections.abc import Callable


def processor_seconds(call: Callable[[], object], *, times: int = 3) -> float:
    """The seconds of this process' processor time that a call takes, at best.

    One alone may be met by a collection of garbage, which takes the longer the more the tests before have left.
    """

    def once() -> float:
        begin = time.process_time()
        call()
        return time.process_time() - begin

    return min(once() for _ in range(times))
