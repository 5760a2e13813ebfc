"""One step of a plan: what is to become of an image, and on which server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.filters.fields import alias_names
from lxdimg_nb.inventory.frame import schema
from lxdimg_nb.inventory.frame.rows import Row, level
from lxdimg_nb.values import format_attribute, short_fingerprint

if TYPE_CHECKING:
    from lxdimg_nb.client import Client

__all__ = ["KEEP", "PlannedServer", "Step", "current_state", "planned_once", "servers_of", "step_for"]

KEEP = "keep"
"""The action of a step that leaves its image alone."""


@dataclass(frozen=True, slots=True)
class PlannedServer:
    """A server that a plan was made for. `certificate` is the fingerprint of its certificate."""

    url: str
    certificate: str = ""

    def is_reached_by(self, client: Client) -> bool:
        """Whether a client talks to this server: compares certificates, or addresses where one has none."""
        if self.certificate and client.info.certificate_fingerprint:
            return self.certificate == client.info.certificate_fingerprint
        return bool(self.url) and self.url == client.url


@dataclass(frozen=True, slots=True)
class Step:
    """What is to become of one image.

    Attributes:
        action: delete, set, alias, copy, publish or keep.
        protection: why nothing is done, where the action is keep.
        changes: the value before and after, by field.
        expects: the state of the image when the plan was made.
        source: the server that an image is copied from.
    """

    server: str
    project: str
    fingerprint: str
    action: str
    reason: str = ""
    protection: str = ""
    alias: str = ""
    size: int = 0
    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    expects: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What identifies the image."""
        return self.server, self.project, self.fingerprint

    @property
    def words(self) -> str:
        """The changes as text."""
        if self.action == "copy":
            return f"copy from {self.source}"
        pairs = (f"{name}: {_text(name, old)} → {_text(name, new)}" for name, (old, new) in self.changes.items())
        return ", ".join(pairs) or ("" if self.action == KEEP else self.action)

    def is_about(self, name: str) -> bool:
        """Whether a name means this image: an alias, a fingerprint, its first 12 or more digits, or an instance."""
        instance = self.changes.get("instance", (None, None))[1]
        return name in (self.alias, *self.expects.get("aliases", ()), instance) or (
            len(name) >= 12 and self.fingerprint.startswith(name.lower())
        )


def _text(name: str, value: Any) -> str:
    text = format_attribute(name, value) or "none"
    return short_fingerprint(text) if len(text) == 64 else text


def step_for(row: Row, action: str, **fields: Any) -> Step:
    """A step for the image of a row of a frame."""
    alias = min(alias_names(row), key=len, default="")
    expects = current_state(row)
    return Step(row.server, row.project, row.fingerprint, action, alias=alias, size=row.size, expects=expects, **fields)


def planned_once(steps: Iterable[Step], servers: Mapping[str, PlannedServer]) -> tuple[Step, ...]:
    """The steps, each image of a cluster changed through one of its members and left alone on the others.

    All members show one certificate, and so does a server under two names. Where one keeps an image, none deletes it,
    and where one has it, none gets a copy.
    """
    steps = tuple(steps)
    keys = [_stored(step, servers) for step in steps]
    kept: dict[tuple[str, ...], Step] = {}
    for step, key in zip(steps, keys, strict=True):
        if key is not None and step.action == KEEP:
            kept.setdefault(key, step)
    first: dict[tuple[str, ...], Step] = {}
    found = []
    for step, key in zip(steps, keys, strict=True):
        if key is None or step.action == KEEP:
            found.append(step)
            continue
        other = kept.get(key) if step.action in ("delete", "copy") else None
        why = f": {other.protection}" if other is not None else ""
        other = other or first.setdefault((*key, step.action), step)
        if other is not step:
            protection = f"the same image as on {other.server}, one cluster or one server under two names{why}"
            step = replace(step, action=KEEP, protection=protection, changes={})
        found.append(step)
    return tuple(found)


def _stored(step: Step, servers: Mapping[str, PlannedServer]) -> tuple[str, ...] | None:
    """What is the same for an image on all members of a cluster; None where the certificate is not known."""
    server = servers.get(step.server)
    known = server is not None and server.certificate and step.fingerprint
    return (server.certificate, step.project, step.fingerprint) if server is not None and known else None


def current_state(image: Any) -> dict[str, Any]:
    """What must not have changed when a step is applied, of a row of a frame or an image record."""
    return {
        "public": bool(image.public),
        "auto_update": bool(image.auto_update),
        "properties": dict(image.properties),
        "expires_at": image.expires_at,
        "profiles": sorted(image.profiles),
        "last_used_at": image.last_used_at,
        "aliases": sorted(alias_names(image)),
    }


def servers_of(frame: pd.DataFrame) -> tuple[dict[str, PlannedServer], str]:
    """The servers of a frame by name, and its project, `*` if there may be several.

    Raises:
        InvalidRequestError: not a frame of images, or an image is in it twice.
    """
    if not schema.is_inventory(frame):
        raise InvalidRequestError("a plan is made from a frame of images, with their fingerprints as index")
    found = (level(frame, name) for name in ("server", "project", "fingerprint"))
    levels = [[str(value) for value in values] for values in found if values is not None]
    if twice := [key for key, count in Counter(zip(*levels, strict=True)).items() if count > 1]:
        raise InvalidRequestError(
            f"the image {twice[0][-1][:12]} is in the frame twice; drop one: df[~df.index.duplicated()]"
        )
    attrs = frame.attrs
    if "server" in frame.index.names:
        known = attrs.get("servers", {})
        names = dict.fromkeys([*known, *sorted({str(n) for n in frame.index.get_level_values("server")})])
        facts = {name: known.get(name, {}) for name in names}
        return {n: PlannedServer(f.get("url", n), f.get("identity", "")) for n, f in facts.items()}, "*"
    name = str(attrs.get("server", ""))
    return {name: PlannedServer(name, str(attrs.get("identity", "")))}, str(attrs.get("project", "default"))
