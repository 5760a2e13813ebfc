"""Random changes on a demo server, made in its own thread: hundreds a second, each with the event that tells of it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lxdimg_nb.demo import DemoServer
from tests.kit import factory

__all__ = ["IMAGES", "SimulatedChanges"]

# So many images there are at the beginning and at the end, and a few more or less in between.
IMAGES = 40
_BATCH = 40
_PROJECT = "default"


class SimulatedChanges:
    """A server's images in motion: made, changed, refreshed, used, given names, deleted.

    Attributes:
        made: events that were sent.
        kinds: how often each kind of change was made.
    """

    def __init__(self, server: DemoServer, *, seed: int) -> None:
        self._server = server
        self._random = random.Random(seed)
        self._next = 0
        self._instances: list[str] = []
        self._new_instances: list[str] = []
        self.made = 0
        self.kinds: dict[str, int] = {}
        self._changes: dict[str, Callable[[Any], None]] = {
            "update": self._update,
            "alias": self._alias,
            "refresh": self._refresh,
            "use": self._use,
            "create": self._create,
            "delete": self._delete,
        }
        server.in_loop(self._fill)

    def make(self, count: int = _BATCH) -> None:
        """Make so many changes, each with its event; some of an alias' make two."""
        self._server.in_loop(lambda daemon: self._make(daemon, count))

    def settle(self) -> None:
        """Have as many images as at the beginning, without aliases."""

        def settle(daemon: Any) -> None:
            self._fill(daemon)
            while len(self._fingerprints(daemon)) > IMAGES:
                self._delete(daemon)
            for row in daemon.images.aliases(_PROJECT):
                daemon.images.delete_alias(_PROJECT, row["name"])
                self._tell(daemon, "image-alias-deleted", daemon.events.alias_url(row["name"]))

        self._server.in_loop(settle)

    def listing(self) -> list[str]:
        """What a listing would answer now: the JSON of each image."""
        found: list[str] = self._server.in_loop(lambda daemon: daemon.images.documents(_PROJECT))
        return found

    # In the server's thread

    def _make(self, daemon: Any, count: int) -> None:
        self._instances += self._new_instances
        self._new_instances = []
        end = self.made + count
        while self.made < end:
            kind = self._random.choices(list(self._changes), [40, 25, 5, 10, 10, 10])[0]
            self._changes[kind](daemon)
            self.kinds[kind] = self.kinds.get(kind, 0) + 1

    def _tell(self, daemon: Any, action: str, source: str, context: dict[str, Any] | None = None) -> None:
        daemon.events.lifecycle(action, source, _PROJECT, None, context)
        self.made += 1

    def _fingerprints(self, daemon: Any) -> list[str]:
        found: list[str] = daemon.images.fingerprints(_PROJECT)
        return found

    def _some(self, daemon: Any) -> Any:
        return daemon.images.exact(_PROJECT, self._random.choice(self._fingerprints(daemon)))

    def _fill(self, daemon: Any) -> None:
        while len(self._fingerprints(daemon)) < IMAGES:
            self._create(daemon)

    def _record(self, like: Any = None) -> Any:
        from lxdimg_nb.demo.store.image_records import Record

        self._next += 1
        fingerprint = hashlib.sha256(b"%d" % self._next).hexdigest()
        if like is not None:
            return replace(like, fingerprint=fingerprint)
        return Record(
            fingerprint=fingerprint,
            properties=factory.properties(self._next),
            size=1000 + self._next,
            type="container",
            architecture="x86_64",
            created_at="2026-01-31T00:00:00Z",
            uploaded_at="2026-01-31T00:00:00Z",
            expires_at="0001-01-01T00:00:00Z",
            update_source={"alias": "x", "certificate": "", "protocol": "simplestreams", "server": "https://s"},
        )

    def _create(self, daemon: Any) -> None:
        if len(self._fingerprints(daemon)) > IMAGES + 20:
            self._delete(daemon)
        image = daemon.images.add(_PROJECT, self._record())
        self._tell(daemon, "image-created", f"/1.0/images/{image.record.fingerprint}", {"type": image.record.type})

    def _delete(self, daemon: Any) -> None:
        if len(self._fingerprints(daemon)) < IMAGES - 20:
            self._create(daemon)
        image = self._some(daemon)
        daemon.images.delete(image)
        self._tell(daemon, "image-deleted", f"/1.0/images/{image.record.fingerprint}")

    def _update(self, daemon: Any) -> None:
        image = self._some(daemon)
        serial = {"serial": str(self._random.randrange(10**6))}
        daemon.images.update(
            image,
            public=self._random.random() < 0.5,
            auto_update=self._random.random() < 0.5,
            properties=image.record.properties | serial,
        )
        self._tell(daemon, "image-updated", f"/1.0/images/{image.record.fingerprint}")

    def _refresh(self, daemon: Any) -> None:
        old = self._some(daemon)
        daemon.images.replace_by(old, self._record(old.record))
        self._tell(daemon, "image-refreshed", f"/1.0/images/{old.record.fingerprint}")

    def _use(self, daemon: Any) -> None:
        from lxdimg_nb.demo.store.instance_records import instance_document

        # One of an earlier batch goes: what an instance used that is gone before it is looked at, nobody can know.
        for name in self._instances[:-3][:1]:
            self._instances.remove(name)
            daemon.store.delete("instances", project=_PROJECT, name=name)
            self._tell(daemon, "instance-deleted", f"/1.0/instances/{name}")
        self._next += 1
        name, image = f"box-{self._next}", self._some(daemon)
        day = f"2026-02-{self._random.randrange(1, 29):02}T00:00:00Z"
        document = instance_document(name, _PROJECT, image, {}, day)
        daemon.store.insert("instances", project=_PROJECT, name=name, document=document)
        daemon.images.update(image, last_used_at=day)
        self._tell(daemon, "instance-created", f"/1.0/instances/{name}", {"type": "container"})
        self._new_instances.append(name)

    def _alias(self, daemon: Any) -> None:
        images, number = daemon.images, self._random.randrange(30)
        name, other = f"os/{number}", f"os/{number}/old"
        target = self._some(daemon)
        fingerprint = {"target": target.record.fingerprint}
        if not images.has_alias(_PROJECT, name):
            images.add_alias(target, name, "")
            self._tell(daemon, "image-alias-created", daemon.events.alias_url(name), fingerprint)
        elif self._random.random() < 0.3:
            images.change_alias(_PROJECT, name, to=target, description=str(self.made))
            self._tell(daemon, "image-alias-updated", daemon.events.alias_url(name), fingerprint)
        elif self._random.random() < 0.5 and not images.has_alias(_PROJECT, other):
            images.rename_alias(_PROJECT, name, other)
            self._tell(daemon, "image-alias-renamed", daemon.events.alias_url(other), {"old_name": name})
        else:
            gone = other if images.has_alias(_PROJECT, other) else name
            images.delete_alias(_PROJECT, gone)
            self._tell(daemon, "image-alias-deleted", daemon.events.alias_url(gone))
