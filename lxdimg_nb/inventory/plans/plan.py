"""A plan: intended changes, each with its reason, and what is left alone, with what protects it.

A plan is made from a frame and without a client, so it cannot change anything. It is bound to the servers
its frame came from; `apply` refuses others.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from lxdimg_nb import filters
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory.frame import schema
from lxdimg_nb.inventory.frame.column_kinds import text_array
from lxdimg_nb.inventory.frame.conditions import matching
from lxdimg_nb.inventory.frame.frame import InventoryFrame
from lxdimg_nb.inventory.frame.inventory_table import inventory_table
from lxdimg_nb.inventory.frame.rows import Row, level
from lxdimg_nb.text import display, formats
from lxdimg_nb.values import format_attribute, short_fingerprint

if TYPE_CHECKING:
    from lxdimg_nb.client import Client
    from lxdimg_nb.inventory.fleet.fleet import Fleet
    from lxdimg_nb.inventory.plans.receipts import Receipts

__all__ = ["Place", "Plan", "Step", "bindings", "chosen", "expectation", "step_for"]

KEEP = "keep"
WATCHED = ("public", "auto_update", "properties", "expires_at", "profiles", "last_used_at", "aliases")
"""What must still be as it was when a step is applied."""


@dataclass(frozen=True, slots=True)
class Place:
    """A server as a frame knew it."""

    url: str
    identity: str = ""

    def is_served_by(self, client: Client) -> bool:
        """Whether that client talks to it: by the server's certificate, else by its address."""
        if self.identity and client.info.certificate_fingerprint:
            return self.identity == client.info.certificate_fingerprint
        return bool(self.url) and self.url == client.url


@dataclass(frozen=True, slots=True)
class Step:
    """One image and what is to become of it.

    `action` is delete, set, alias, copy, publish or keep; `changes` maps fields to the value before and after;
    `protection` says why nothing is done where `action` is keep; `expects` is what was seen when planning.
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
        """The changes in words."""
        if self.action == "copy":
            return f"copy from {self.source}"
        pairs = (f"{name}: {_word(name, old)} → {_word(name, new)}" for name, (old, new) in self.changes.items())
        return ", ".join(pairs) or ("" if self.action == KEEP else self.action)


def _word(name: str, value: Any) -> str:
    text = format_attribute(name, value) or "none"
    return short_fingerprint(text) if len(text) == 64 else text


class Plan:
    """Intended changes to images; shown as a table, looked at as a frame, done by `apply`.

    Made by the functions of `lxdimg_nb.plan`. `receipts` is what became of the last `apply`, kept up to date
    while it works; None before.
    """

    def __init__(
        self,
        kind: str,
        steps: Iterable[Step],
        places: Mapping[str, Place],
        *,
        project: str = "*",
        again: Callable[[pd.DataFrame, datetime], list[Step]] | None = None,
    ) -> None:
        self.kind = kind
        self.steps = tuple(steps)
        self.places = dict(places)
        self.project = project
        self.again = again
        self.receipts: Receipts | None = None

    @property
    def actions(self) -> list[Step]:
        """The steps that change something."""
        return [step for step in self.steps if step.action != KEEP]

    def __len__(self) -> int:
        return len(self.actions)

    def __bool__(self) -> bool:
        return bool(self.actions)

    @property
    def bytes(self) -> int:
        """Bytes of the images to be changed, each counted once a server."""
        return sum({(s.server, s.fingerprint): s.size for s in self.actions}.values())

    @property
    def frame(self) -> InventoryFrame:
        """A row a step, what is done first: `action`, `alias`, `change`, `reason`, `protection`, `size`."""
        steps = sorted(self.steps, key=lambda step: step.action == KEEP)
        levels = ("server", "project", "fingerprint")
        index = pd.MultiIndex.from_arrays(
            [text_array([getattr(step, name) for step in steps]) for name in levels], names=levels
        )
        made = InventoryFrame(
            {
                "action": pd.Categorical([step.action for step in steps]),
                "alias": text_array([step.alias or None for step in steps]),
                "change": text_array([step.words for step in steps]),
                "reason": text_array([step.reason for step in steps]),
                "protection": text_array([step.protection for step in steps]),
                "size": pd.array([step.size for step in steps], dtype="int64").to_numpy(),
            },
            index=index,
        )
        made.attrs = {"server": ", ".join(self.places), "project": self.project}
        return made

    df = frame

    def without(self, *names: str) -> Plan:
        """The plan with some images left alone: by alias, fingerprint or its beginning (12 digits), or instance.

        Raises:
            InvalidRequestError: the plan has no such image.
        """
        steps = list(self.steps)
        for name in names:
            found = [i for i, step in enumerate(steps) if _is_called(step, name)]
            if not found:
                raise InvalidRequestError(f"the plan has no image {name!r}")
            for i in found:
                steps[i] = replace(steps[i], action=KEEP, protection="left out by hand", changes={})
        return Plan(self.kind, steps, self.places, project=self.project, again=self.again)

    def table(self) -> display.Table:
        """The plan as a table."""
        shown = self.frame
        levels: list[Hashable] = [n for n in ("server", "project") if shown.index.get_level_values(n).nunique() < 2]
        return inventory_table(shown.droplevel(levels) if levels else shown, title=self.summary)

    @property
    def summary(self) -> str:
        """One line: what would be done, to how much, where."""
        counts = Counter(step.action for step in self.actions)
        words = [f"{formats.plural(count, 'image')} to {action}" for action, count in counts.items()]
        kept = len(self.steps) - len(self)
        parts = [", ".join(words) or "nothing to do", formats.size(self.bytes) if self else ""]
        parts += [f"{kept:,} left alone" if kept else "", self.where]
        return display.sanitize(f"{self.kind}: " + " · ".join(part for part in parts if part), 400)

    @property
    def where(self) -> str:
        """The servers and projects that would change."""
        pairs = sorted({(step.server, step.project) for step in self.actions})
        shown = [f"{server or 'a server without a name'}, project {project}" for server, project in pairs[:4]]
        return "; ".join(shown) + (" …" if len(pairs) > 4 else "")

    def __repr__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table().html()

    def apply(
        self,
        client: Client | Mapping[str, Client] | Fleet,
        *,
        confirm: bool = False,
        stop: threading.Event | None = None,
        now: datetime | None = None,
    ) -> Receipts:
        """Do it: read every image again, skip what changed since, go on after a failure.

        Can be stopped, by `stop` or by interrupting the kernel, and called again: what is done is done, the
        rest is planned anew.

        Args:
            client: of the server that the plan was made for; for several servers a client by name, or the
                fleet whose frame it was made from.
            confirm: True when you have looked at the plan; else it asks.
            stop: when set, nothing more is begun.
            now: for rules that count time; by default the clock's.

        Returns:
            A row a step: done, skipped (with the reason), failed (with the error), or not tried.

        Raises:
            InvalidRequestError: another server or project than the plan was made for, or nobody there to ask.
        """
        from lxdimg_nb.inventory.plans.apply import apply

        return apply(self, client, confirm=confirm, stop=stop, now=now)


def _is_called(step: Step, name: str) -> bool:
    aliases = step.expects.get("aliases", ())
    instance = step.changes.get("instance", (None, None))[1]
    return name in (step.alias, *aliases, instance) or (len(name) >= 12 and step.fingerprint.startswith(name.lower()))


def bindings(frame: pd.DataFrame) -> tuple[dict[str, Place], str]:
    """The servers of a frame by name, and its project, `*` for several.

    Raises:
        InvalidRequestError: no frame of images, or an image is in it twice.
    """
    if not schema.is_inventory(frame):
        raise InvalidRequestError("a plan is made from a frame of images, with their fingerprints as index")
    parts = [found for name in ("server", "project", "fingerprint") if (found := level(frame, name)) is not None]
    twice = [name for name, count in Counter(zip(*parts, strict=True)).items() if count > 1]
    if twice:
        raise InvalidRequestError(
            f"the image {str(twice[0][-1])[:12]} is in the frame twice; drop one: df[~df.index.duplicated()]"
        )
    attrs = frame.attrs
    if "server" in frame.index.names:
        known = attrs.get("servers", {})
        names = [*known, *sorted({str(n) for n in frame.index.get_level_values("server")} - set(known))]
        places = {n: Place(known.get(n, {}).get("url", n), known.get(n, {}).get("identity", "")) for n in names}
        return places, "*"
    name = str(attrs.get("server", ""))
    return {name: Place(name, str(attrs.get("identity", "")))}, str(attrs.get("project", "default"))


def expectation(row: Any) -> dict[str, Any]:
    """What a step expects of its image, of a row of a frame or of an image read again."""
    return {
        "public": bool(row.public),
        "auto_update": bool(row.auto_update),
        "properties": dict(row.properties),
        "expires_at": row.expires_at,
        "profiles": sorted(row.profiles),
        "last_used_at": row.last_used_at,
        "aliases": sorted(alias.name for alias in row.aliases),
    }


def step_for(row: Row, action: str, **fields: Any) -> Step:
    """A step for the image of a row."""
    return Step(
        row.server,
        row.project,
        row.fingerprint,
        action,
        alias=min((alias.name for alias in row.aliases), key=len, default=""),
        size=row.size,
        expects=expectation(row),
        **fields,
    )


def chosen(frame: pd.DataFrame, text: str | filters.Filter | None, now: datetime) -> list[bool]:
    """Which rows a filter lets through."""
    return matching(frame, text, now).tolist() if text else [True] * len(frame)
