"""An inventory that stays current: a complete listing, then the server's own events.

A listing of 3,000 images takes a server 10 s and holds up everybody else; hearing of one change takes
milliseconds. What the events leave out is known here: an image's aliases go without a word when it is deleted
(LXD), names are escaped twice (LXD 5.0.2), a refresh replaces an image without saying which, nothing is repeated
after a lost connection, and an instance that is made changes `last_used_at`. Which image that is, no event says:
an instance that is gone before it is looked at leaves the time as it was, until the image is read again. Members
of a cluster lose events on their way to each other when one of them dies, and call an image deleted that they then
keep: there all images are listed again from time to time.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lxdimg_nb.client.events import Events
from lxdimg_nb.client.image import Image
from lxdimg_nb.client.project import Project
from lxdimg_nb.client.verbs.read.listing import known_fingerprints, list_records
from lxdimg_nb.errors import ApiError, LxdImageError, NotFoundError
from lxdimg_nb.values import FINGERPRINT, Event, ImageRecord

if TYPE_CHECKING:
    import pandas

__all__ = ["Live", "LiveChange"]

POLL_SECONDS = 30.0
# What is known of a cluster's images is compared so often, which takes it milliseconds,
COMPARE_SECONDS = 30.0
# and all are listed again after so many times as long as a listing takes, but at most so many seconds.
RELIST_SHARE = 100
RELIST_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class LiveChange:
    """What a live inventory noticed.

    Attributes:
        changed: fingerprints that are new or differ.
        removed: fingerprints that are gone.
        state: `live`, `polling`, `lost` or `closed`.
    """

    changed: frozenset[str]
    removed: frozenset[str]
    state: str


Listener = Callable[[LiveChange], None]


class Live:
    """The images of one project, kept current by a thread. Close it, or use it as a context manager.

    `state` is `live` while events come, `lost` while the connection is being made again, `polling` where the
    server does not let this connection read events (then it lists again every 30 s), `closed` at the end.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._records: dict[str, ImageRecord] = {}
        # Images of which somebody has seen another record than the one known here.
        self._doubtful: set[str] = set()
        # Held from the reading of records until they are stored, so that an older reply never replaces a newer one.
        self._reading = threading.RLock()
        # Seconds that the latest listing took.
        self._cost = 0.0
        self._state = "live"
        self._changed = threading.Condition()
        self._listeners: list[Listener] = []
        self._closed = threading.Event()
        self._newest = datetime.min.replace(tzinfo=UTC)
        self._events: Events | None = None
        self.heard = 0
        self.fetched = 0
        self._begin()
        self._thread = threading.Thread(target=self._run, name="lxdimg-live", daemon=True)
        self._thread.start()
        self._second_thread: threading.Thread | None = None
        if self._project.info.cluster:
            self._second_thread = threading.Thread(target=self._list_again, name="lxdimg-live-cluster", daemon=True)
            self._second_thread.start()

    def _begin(self) -> None:
        try:
            # Heard from before the listing, so that nothing falls between the two.
            self._events = self._project.events(on_lost=lambda: self._tell((), (), "lost"))
        except ApiError:
            self._state = "polling"
        try:
            self._list()
        except BaseException:
            if self._events is not None:
                self._events.close()
            raise

    @property
    def state(self) -> str:
        """`live`, `lost`, `polling` or `closed`."""
        return self._state

    def records(self) -> list[ImageRecord]:
        """Every image as it was last heard of, by fingerprint. No I/O."""
        with self._changed:
            return [self._records[f] for f in sorted(self._records)]

    def get(self, fingerprint: str) -> ImageRecord | None:
        """One image as it was last heard of; None when there is none. No I/O."""
        with self._changed:
            return self._records.get(fingerprint)

    def all(self) -> list[Image]:
        """As `records()`, as images that can be changed. No I/O."""
        return [Image(record, self._project.in_project(record.project)) for record in self.records()]

    def df(self) -> pandas.DataFrame:
        """As `client.images.df()`, without asking the server."""
        from lxdimg_nb.inventory import make_frame

        return make_frame(
            self.records(),
            server=self._project.url,
            project=self._project.name,
            product=self._project.info.product,
            identity=self._project.info.certificate_fingerprint,
            clock_offset=self._project.transport.clock_offset,
        )

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Image]:
        return iter(self.all())

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have a function called, in the thread that listens, on every change; returns what ends that."""
        with self._changed:
            self._listeners.append(listener)

        def stop() -> None:
            with self._changed:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return stop

    def reload(self, fingerprint: str) -> None:
        """Read an image again, and call the listeners even if it is what was known: they may have seen another one.

        Raises:
            LxdImageError: it cannot be read; the listeners are called when it is read the next time.
        """
        with self._changed:
            self._doubtful.add(fingerprint)
        self._fetch([fingerprint])

    def wait_until(self, condition: Callable[[list[ImageRecord]], bool], *, timeout: float = 10.0) -> bool:
        """Wait until what is known fulfils a condition; False when it did not in so many seconds."""
        end = time.monotonic() + timeout
        with self._changed:
            while not condition([self._records[f] for f in sorted(self._records)]):
                left = end - time.monotonic()
                if left <= 0 or self._closed.is_set():
                    return False
                self._changed.wait(left)
        return True

    def close(self) -> None:
        """End the thread and the connection."""
        self._closed.set()
        if self._events is not None:
            self._events.close()
        for thread in (self._thread, self._second_thread):
            if thread is not None and threading.current_thread() is not thread:
                thread.join(timeout=10)
        self._tell((), (), "closed")

    def __enter__(self) -> Live:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Live {len(self)} images of project {self._project.name} on {self._project.url}, {self.state}>"

    # The thread

    def _run(self) -> None:
        if self._events is None:
            self._poll()
            return
        try:
            for event in self._events:
                self._handle(event)
        except ApiError:
            self._tell((), (), "polling")
            self._poll()

    def _handle(self, event: Event) -> None:
        self.heard += 1
        if event.type == "reconnected":
            self._resync()
            return
        if event.project != self._project.name and not event.source.startswith("/1.0/profiles"):
            return
        while not self._closed.is_set():
            try:
                self._apply(event)
                return
            except LxdImageError:
                # The event is lost, so what we know cannot be trusted until the server answers again.
                self._tell((), (), "lost")
                if self._closed.wait(1.0):
                    return
                event = Event("reconnected", None, "", "", {})
                if self._resynced():
                    return

    def _apply(self, event: Event) -> None:
        action, name = event.action, event.source.partition("?")[0]
        late = self._is_late(event)
        if action in ("image-created", "image-updated"):
            self._fetch([_last(name)])
        elif action == "image-deleted":
            # Told after something newer, it may be there again.
            (self._fetch if late else self._drop)([_last(name)])
        elif action == "image-refreshed":
            self._compare()
        elif action.startswith("image-alias-"):
            self._alias(event, name)
        elif action in ("instance-created", "instance-restored"):
            self._instance(name)
        elif action in ("profile-deleted", "profile-renamed"):
            self._fetch([r.fingerprint for r in self.records()])

    def _is_late(self, event: Event) -> bool:
        """Whether something that happened after it has been heard of before, or this event does not say when it was."""
        newest, self._newest = self._newest, max(self._newest, event.timestamp or self._newest)
        return event.timestamp is None or event.timestamp < newest

    def _alias(self, event: Event, path: str) -> None:
        raw = path.partition("/aliases/")[2]
        names = {unquote(raw), unquote(unquote(raw)), str(event.context.get("old_name") or "")}
        holders = [r.fingerprint for r in self.records() if any(a.name in names for a in r.aliases)]
        target = event.context.get("target")
        if isinstance(target, str) and FINGERPRINT.match(target):
            holders.append(target)
        if not holders and event.action != "image-alias-deleted":
            self._refetch_alias(names)
        self._fetch(holders)

    def _refetch_alias(self, names: Iterable[str]) -> None:
        for name in sorted(n for n in names if n not in ("", ".", "..")):
            try:
                self._fetch([self._project.alias(name).target])
            except NotFoundError:
                continue

    def _instance(self, path: str) -> None:
        if not path.startswith("/1.0/instances/"):
            return  # it would be asked for
        try:
            reply = self._project.request("GET", path)
        except NotFoundError:
            return
        config: Any = reply.metadata.get("config") if isinstance(reply.metadata, dict) else None
        base = config.get("volatile.base_image") if isinstance(config, dict) else None
        if isinstance(base, str) and base in self._records:
            self._fetch([base])

    def _fetch(self, fingerprints: Iterable[str]) -> None:
        found: list[ImageRecord] = []
        gone: list[str] = []
        with self._reading:
            for fingerprint in dict.fromkeys(f for f in fingerprints if FINGERPRINT.match(f)):
                try:
                    self.fetched += 1
                    found.append(self._project.read(fingerprint))
                except NotFoundError:
                    gone.append(fingerprint)
            news = self._store(found, gone)
        self._tell_news(news)

    def _drop(self, fingerprints: Iterable[str]) -> None:
        with self._reading:
            news = self._store([], fingerprints)
        self._tell_news(news)

    def _compare(self) -> None:
        """Find what is new and what is gone by the project's own count, without a listing."""
        with self._reading:
            known = known_fingerprints(self._project)
            news = self._store([], [f for f in list(self._records) if f not in known])
        self._tell_news(news)
        self._fetch(sorted(known - set(self._records)))

    def _resync(self) -> None:
        while not self._resynced():
            if self._closed.wait(1.0):
                return

    def _resynced(self) -> bool:
        """Everything again: what was edited while nobody listened is in no count."""
        try:
            self._compare()
            self._list()
        except LxdImageError:
            self._tell((), (), "lost")
            return False
        self._tell((), (), "live")
        return True

    def _poll(self) -> None:
        while not self._closed.wait(POLL_SECONDS):
            with contextlib.suppress(LxdImageError):
                self._list()

    def _list_again(self) -> None:
        """Make up for lost events: what is new or gone soon, what was edited when that costs little."""
        listed = time.monotonic()
        while self._events is not None and not self._closed.wait(COMPARE_SECONDS):
            with contextlib.suppress(LxdImageError):
                self._compare()
                if time.monotonic() - listed >= min(RELIST_SHARE * self._cost, RELIST_SECONDS):
                    self._list()
                    listed = time.monotonic()

    def _list(self) -> None:
        with self._reading:
            begin = time.monotonic()
            fresh = {r.fingerprint: r for r in list_records(self._project)}
            self._cost = time.monotonic() - begin
            news = self._store(fresh.values(), [f for f in list(self._records) if f not in fresh])
        self._tell_news(news)

    def _store(self, found: Iterable[ImageRecord], gone: Iterable[str]) -> tuple[set[str], set[str]]:
        """Store what was read; return the fingerprints of what changed and of what was removed."""
        with self._changed:
            changed = {
                r.fingerprint
                for r in found
                if r.fingerprint in self._doubtful or _differs(self._records.get(r.fingerprint), r)
            }
            removed = {f for f in gone if f in self._records}
            for record in found:
                self._records[record.fingerprint] = record
            for fingerprint in removed:
                del self._records[fingerprint]
            self._doubtful -= changed | removed
            return changed, removed

    def _tell_news(self, news: tuple[set[str], set[str]]) -> None:
        if any(news):
            self._tell(*news, self._state)

    def _tell(self, changed: Iterable[str], removed: Iterable[str], state: str) -> None:
        with self._changed:
            if self._closed.is_set():
                state = "closed"
            same = state == self._state
            self._state = state
            change = LiveChange(frozenset(changed), frozenset(removed), state)
            listeners = list(self._listeners)
            self._changed.notify_all()
        if same and not change.changed and not change.removed:
            return
        for listener in listeners:
            listener(change)


def _differs(old: ImageRecord | None, new: ImageRecord) -> bool:
    return old is None or old.raw != new.raw


def _last(path: str) -> str:
    return path.rpartition("/")[2]
