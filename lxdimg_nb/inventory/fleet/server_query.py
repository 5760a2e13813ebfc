"""Asking one server of a fleet, wherever an executor works, and what it answered."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lxdimg_nb import filters
from lxdimg_nb.errors import (
    IncompleteListError,
    InvalidRequestError,
    LxdImageError,
    NotAllowedError,
    ServerUnreachableError,
)

if TYPE_CHECKING:
    from lxdimg_nb.client import Client
    from lxdimg_nb.values import ImageRecord

__all__ = ["Answer", "Question", "Threads", "ask", "connected"]

THREADS = 32


@dataclass(frozen=True, slots=True)
class Answer:
    """What one server had to say; `images` counts the records also once they are let go.

    `whole` is False where images are known to be missing; `properties` are the keys that its images have.
    """

    state: str
    seconds: float
    records: tuple[ImageRecord, ...] = ()
    used_by: Mapping[str, list[str]] | None = None
    facts: Mapping[str, str] | None = None
    error: str = ""
    images: int = 0
    whole: bool = True
    properties: frozenset[str] = frozenset()

    @property
    def heard(self) -> bool:
        """Whether there are images to show for it."""
        return self.state in ("ok", "partial", "untrusted")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of each server; travels to wherever the executor works."""

    all_projects: bool
    used_by: bool
    timeout: float
    filter: str


def ask(spec: Any, question: Question) -> Answer:
    """Ask one server; runs wherever the executor works, and never raises what a server can cause."""
    began = time.monotonic()
    client: Client | None = None
    try:
        # A little longer than the fleet waits, so that it is the fleet that gives up, and says so.
        client = connected(spec, question.timeout + 5)
        facts = _facts(client)
        whole = True
        state, error = ("ok", "") if client.info.trusted else ("untrusted", "shows its public images only")
        try:
            records = client.images.records(all_projects=question.all_projects)
        except IncompleteListError as incomplete:
            state, error, whole = "partial", str(incomplete), False
            records = list(incomplete.images)
        users = None
        if question.used_by and client.info.trusted:
            from lxdimg_nb.client.verbs.read.used_by import users_of_images

            try:
                users = users_of_images(client.server_project)
            except LxdImageError as refusal:
                state, error = "partial", f"{error}; who uses the images is not known: {refusal}".removeprefix("; ")
        kept, keys = _chosen(records, question.filter)
        return Answer(state, time.monotonic() - began, kept, users, facts, error, whole=whole, properties=keys)
    except LxdImageError as refusal:
        state = "failed"
        if isinstance(refusal, ServerUnreachableError):
            state = "unreachable"
        elif isinstance(refusal, NotAllowedError):
            state = "refused"
        return Answer(state, time.monotonic() - began, error=str(refusal))
    finally:
        if client is not None and client is not spec:
            client.close()


def _chosen(records: Sequence[ImageRecord], text: str) -> tuple[tuple[ImageRecord, ...], frozenset[str]]:
    """The records that the filter lets through, and the property keys of all: only these tell a misspelled one."""
    if not text:
        return tuple(records), frozenset()
    keys = frozenset(key for record in records for key in record.properties)
    try:
        wanted = filters.parse(text, known_properties=keys)
    except InvalidRequestError:
        # Another server may have images with that property.
        wanted = filters.parse(text)
    return tuple(record for record in records if wanted.matches(record)), keys


def connected(spec: Any, timeout: float) -> Client:
    """The client that a fleet was given, or one made of the remote, address or call."""
    if isinstance(spec, str):
        from lxdimg_nb.client import connect

        return connect(spec, timeout=timeout)
    connected: Client = spec if hasattr(spec, "images") else spec()
    return connected


def _facts(client: Client) -> dict[str, str]:
    info = client.info
    return {
        "product": info.product,
        "version": info.version,
        "url": client.url,
        "project": info.images_project or info.project,
        "identity": info.certificate_fingerprint,
    }


class Threads(Executor):
    """A thread a task that does not keep the interpreter from ending, as a server may never answer."""

    def __init__(self) -> None:
        self._room = threading.Semaphore(THREADS)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def run() -> None:
            with self._room:
                if not future.set_running_or_notify_cancel():
                    return
                try:
                    future.set_result(fn(*args, **kwargs))
                except BaseException as error:  # noqa: BLE001 (handed to whoever asks the future)
                    future.set_exception(error)

        threading.Thread(target=run, daemon=True, name="lxdimg-fleet").start()
        return future
