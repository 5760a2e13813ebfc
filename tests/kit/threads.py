"""The product's own threads that a test started; those of other tests and of servers do not count."""

from __future__ import annotations

import threading
from collections.abc import Collection

from tests.kit.waiting import until

DEMO = "lxdimg-demo"


def new_threads(before: Collection[threading.Thread], name: str = "lxdimg-") -> list[str]:
    """The names of threads that have started since `before`.

    Args:
        before: `threading.enumerate()` of then.
        name: what their names begin with. Those of demo servers count only where it names them.
    """
    names = [thread.name for thread in threading.enumerate() if thread not in before]
    return [each for each in names if each.startswith(name) and each.startswith(DEMO) <= name.startswith(DEMO)]


def ended_threads(before: Collection[threading.Thread], name: str = "lxdimg-") -> bool:
    """Whether those end within some seconds."""
    return until(lambda: not new_threads(before, name))
