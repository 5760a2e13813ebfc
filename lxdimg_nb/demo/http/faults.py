"""Faults on demand: what a network and a busy server do to a client, when a test or a lesson asks for it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Fault", "Faults"]


@dataclass
class Fault:
    """What goes wrong, for which requests and how often; made by `Faults.add`, which explains the fields."""

    method: str | None = None
    path: str | None = None
    latency: float = 0.0
    cut_after: int | None = None
    cut_upload_after: int | None = None
    status: int | None = None
    fail_operation: str | None = None
    drop_events: bool = False
    cut_events: bool = False
    times: int | None = None

    def matches(self, method: str, path: str) -> bool:
        """Whether the fault applies to a request."""
        return self.method in (None, method) and (self.path is None or re.search(self.path, path) is not None)


class Faults:
    """The faults of one server; usable from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(
        self,
        *,
        method: str | None = None,
        path: str | None = None,
        latency: float = 0.0,
        cut_after: int | None = None,
        cut_upload_after: int | None = None,
        status: int | None = None,
        fail_operation: str | None = None,
        drop_events: bool = False,
        cut_events: bool = False,
        times: int | None = None,
    ) -> Fault:
        """Add a fault.

        Args:
            method: the HTTP method of the requests it applies to; None for any.
            path: a regular expression that is searched in path and query; None for any.
            latency: seconds to wait before anything is answered.
            cut_after: bytes of the reply's body, or of the events sent, after which the connection is cut.
            cut_upload_after: bytes of the request's body after which the connection is cut.
            status: answer with this error, 400 to 599, instead of doing anything.
            fail_operation: the text that operations fail with.
            drop_events: listeners receive no events while the fault stands.
            cut_events: the next event is lost, and the connections of its listeners are cut.
            times: how often it happens; None for until it is removed or cleared.

        Returns:
            The fault, for `remove`.

        Raises:
            ValueError: the fault would do nothing, the status is no error, or the path is no regular expression.
        """
        fault = Fault(
            method, path, latency, cut_after, cut_upload_after, status, fail_operation, drop_events, cut_events, times
        )
        given = (status, cut_after, cut_upload_after, fail_operation) != (None, None, None, None)
        if not (given or latency or drop_events or cut_events):
            raise ValueError(
                "say what goes wrong: latency, cut_after, cut_upload_after, status, fail_operation, drop_events or "
                "cut_events"
            )
        if status is not None and not 400 <= status <= 599:
            raise ValueError(f"status is an HTTP error, 400 to 599, not {status}")
        if times is not None and times < 1:
            raise ValueError(f"times is 1 or more, or None for until cleared, not {times}")
        try:
            re.compile(path or "")
        except re.error as error:
            raise ValueError(f"path is no regular expression: {error}") from error
        with self._lock:
            self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """Remove one fault."""
        with self._lock:
            self._faults = [one for one in self._faults if one is not fault]

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._faults.clear()

    def for_request(self, method: str, path: str) -> Fault:
        """The faults of this request as one; each of them counts as having happened."""

        def hits(fault: Fault) -> bool:
            cuts = (fault.cut_after, fault.cut_upload_after) != (None, None)
            return bool(fault.latency or fault.status or cuts) and fault.matches(method, path)

        merged = Fault()
        for fault in self._take(hits):
            merged.latency += fault.latency
            merged.status = merged.status or fault.status
            merged.cut_after = fault.cut_after if merged.cut_after is None else merged.cut_after
            if merged.cut_upload_after is None:
                merged.cut_upload_after = fault.cut_upload_after
        return merged

    def failure_of(self, method: str, path: str) -> str | None:
        """The text that an operation started by this request fails with, or None."""
        taken = self._take(lambda fault: fault.fail_operation is not None and fault.matches(method, path))
        return taken[0].fail_operation if taken else None

    def drops_events(self) -> bool:
        """Whether the next event is lost."""
        return bool(self._take(lambda fault: fault.drop_events))

    def cuts_events(self) -> bool:
        """Whether the connections of its listeners are cut in place of the next event."""
        return bool(self._take(lambda fault: fault.cut_events))

    def _take(self, hits: Callable[[Fault], object]) -> list[Fault]:
        with self._lock:
            taken = [fault for fault in self._faults if hits(fault)]
            for fault in taken:
                if fault.times is not None:
                    fault.times -= 1
            self._faults = [fault for fault in self._faults if fault.times is None or fault.times > 0]
        return taken
