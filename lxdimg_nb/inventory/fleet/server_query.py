"""One server of a fleet: connecting to it, asking for its images, and its answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lxdimg_nb import filters
from lxdimg_nb.client import connect
from lxdimg_nb.client.verbs.read.used_by import users_of_images
from lxdimg_nb.errors import (
    IncompleteListError,
    InvalidRequestError,
    LxdImageError,
    NotAllowedError,
    ServerUnreachableError,
)
from lxdimg_nb.text import formats

if TYPE_CHECKING:
    from lxdimg_nb.client import Client
    from lxdimg_nb.values import ImageRecord

__all__ = ["Answer", "DaemonThreadExecutor", "Query", "connected", "query_server"]

MAX_THREADS = 32


@dataclass(frozen=True, slots=True)
class Query:
    """What each server is asked for; pickled when the executor uses other processes."""

    all_projects: bool
    used_by: bool
    timeout: float
    filter: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What one server answered.

    Attributes:
        state: ok, partial, untrusted, refused, unreachable, timeout or failed.
        server: product, version, url, project, identity, and clock_offset (seconds) where its clock is off.
        images: how many records there were, when they have been dropped.
        complete: False if images are known to be missing.
        properties: the keys that its images have, if there was a filter.
        left_out: entries of a catalogue that cannot be read.
    """

    state: str
    seconds: float
    records: tuple[ImageRecord, ...] = ()
    used_by: Mapping[str, list[str]] | None = None
    server: Mapping[str, Any] | None = None
    error: str = ""
    images: int = 0
    complete: bool = True
    properties: frozenset[str] = frozenset()
    left_out: int = 0

    @property
    def has_images(self) -> bool:
        """Whether its images are part of the inventory."""
        return self.state in ("ok", "partial", "untrusted")


def query_server(spec: Any, query: Query) -> Answer:
    """Ask one server, in a worker of the executor. Errors of the server become part of the answer."""
    began = time.monotonic()
    client: Client | None = None
    try:
        # A little longer than the fleet waits, so that it is the fleet that reports the timeout.
        client = connected(spec, query.timeout + 5)
        info = client.info
        server = {
            "product": info.product,
            "version": info.version,
            "url": client.url,
            "project": info.images_project or info.project,
            "identity": info.certificate_fingerprint,
            **({"clock_offset": info.clock_offset} if info.clock else {}),
        }
        complete = True
        clock = f"its clock is {info.clock} this machine's" if info.clock else ""
        state, error = ("ok", "") if info.trusted else ("untrusted", "shows its public images only")
        try:
            records = client.images.records(all_projects=query.all_projects)
        except IncompleteListError as incomplete:
            state, error, complete = "partial", incomplete.message, False
            records = list(incomplete.images)
        users = None
        if query.used_by and info.trusted:
            try:
                users = users_of_images(client.server_project)
            except LxdImageError as refusal:
                state, error = (
                    "partial",
                    f"{error}; who uses the images is not known: {refusal.message}".removeprefix("; "),
                )
        left_out = client.images.left_out if info.product == "simplestreams" else 0
        if left_out:
            error += f"; {formats.plural(left_out, 'entry')} of its catalogue left out, client.problems tells why"
        error = "; ".join(filter(None, (error, clock)))
        found, keys = _matching(records, query.filter, info.clock_offset)
        seconds = time.monotonic() - began
        return Answer(
            state, seconds, found, users, server, error, complete=complete, properties=keys, left_out=left_out
        )
    except LxdImageError as refusal:
        state = "failed"
        if isinstance(refusal, ServerUnreachableError):
            state = "unreachable"
        elif isinstance(refusal, NotAllowedError):
            state = "refused"
        return Answer(state, time.monotonic() - began, error=refusal.message)
    finally:
        if client is not None and client is not spec:
            client.close()


def _matching(
    records: Sequence[ImageRecord], text: str, clock_offset: float
) -> tuple[tuple[ImageRecord, ...], frozenset[str]]:
    """The records that match the filter, and the property keys of all, to recognize a misspelled one.

    Ages are counted as by `Project.now`.
    """
    if not text:
        return tuple(records), frozenset()
    keys = frozenset(key for record in records for key in record.properties)
    try:
        wanted = filters.parse(text, known_properties=keys)
    except InvalidRequestError:
        # Images of another server may have that property.
        wanted = filters.parse(text)
    now = datetime.now(UTC) + timedelta(seconds=min(0.0, clock_offset))
    return tuple(record for record in records if wanted.matches(record, now)), keys


def connected(spec: Any, timeout: float) -> Client:
    """The client that a fleet was given, or a new one for its remote, address or function."""
    if isinstance(spec, str):
        return connect(spec, timeout=timeout)
    connected: Client = spec if hasattr(spec, "images") else spec()
    return connected


class DaemonThreadExecutor(Executor):
    """A daemon thread for each task, because a server that never answers must not keep the interpreter from exiting."""

    def __init__(self) -> None:
        self._slots = threading.Semaphore(MAX_THREADS)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def run() -> None:
            with self._slots:
                if not future.set_running_or_notify_cancel():
                    return
                try:
                    future.set_result(fn(*args, **kwargs))
                except BaseException as error:  # noqa: BLE001 (raised by future.result())
                    future.set_exception(error)

        threading.Thread(target=run, daemon=True, name="lxdimg-fleet").start()
        return future
