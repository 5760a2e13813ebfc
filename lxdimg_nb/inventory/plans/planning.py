"""`lxdimg_nb.plan`: make plans from frames. Nothing here has a client, so nothing here can change a server."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import EllipsisType
from typing import Any

import pandas as pd

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.filters import Filter
from lxdimg_nb.inventory.frame import conditions
from lxdimg_nb.inventory.frame.rows import Row, Rows
from lxdimg_nb.inventory.plans.plan import KEEP, Plan, Step, bindings, chosen, step_for
from lxdimg_nb.inventory.plans.rules import PROTECTIONS, Rule, Ruling
from lxdimg_nb.values import format_time, parse_time

__all__ = ["Plan", "Rule", "Step", "alias", "copy", "prune", "publish", "set"]


def prune(
    df: pd.DataFrame,
    *,
    filter: str | Filter | None = None,
    keep_last: int | None = None,
    per: str | Sequence[str] = conditions.PRODUCT,
    unused_for: str | timedelta | None = None,
    older_than: str | timedelta | None = None,
    expired: bool = False,
    rules: Sequence[Rule] = (),
    keep: Collection[str] = PROTECTIONS,
    pinned: str | Filter | None = None,
    grace: str | timedelta = "6h",
    now: datetime | None = None,
) -> Plan:
    """Plan to delete images.

    An image goes when all conditions given hold and nothing protects it: `keep_last=2, unused_for="30D"` are
    builds that are neither among the newest two of their product nor used within 30 days.

    Args:
        df: a frame of images, best with `used_by=True`; without it use is only looked at by `apply`.
        filter: only these images.
        keep_last: keep the newest so many builds of each product, by when they were built.
        per: columns or properties that make a product; by default os, release, variant, architecture, type.
        unused_for: only images neither used nor uploaded within that time.
        older_than: only images uploaded longer ago.
        expired: only images past their date of expiry.
        rules: several rules by priority instead; an image is judged by the first whose filter fits.
        keep: what protects an image: `pinned` (the property `pinned=yes`, or the filter below), `used` (by an
            instance or snapshot), `aliased`, `public`.
        pinned: a filter of images that stay.
        grace: images uploaded within that time stay.
        now: by default when the frame was taken.

    Raises:
        InvalidRequestError: no condition, or one that makes no sense.
    """
    if isinstance(keep, str) or not isinstance(keep, Collection) or not {*keep} <= {*PROTECTIONS}:
        raise InvalidRequestError(f"keep takes some of {', '.join(PROTECTIONS)}, not {keep!r}")
    single = any((filter, keep_last is not None, unused_for, older_than, expired))
    if rules and single:
        raise InvalidRequestError("give conditions or rules, not both: conditions belong into a Rule(…)")
    if not rules:
        names = (per,) if isinstance(per, str) else tuple(per)
        product = conditions.PRODUCT if names == conditions.PRODUCT else names
        rules = [
            Rule(
                filter=filter,
                keep_last=keep_last,
                unused_for=unused_for,
                older_than=older_than,
                expired=expired,
                per=product,
            )
        ]
    ruling = Ruling(tuple(rules), frozenset(keep), pinned, conditions.duration(grace))
    places, project = bindings(df)
    steps = ruling.steps(df, conditions.as_of(df, now))
    return Plan("prune", steps, places, project=project, again=ruling.steps)


def set(  # noqa: A001 (read as plan.set)
    df: pd.DataFrame,
    *,
    filter: str | Filter | None = None,
    public: bool | None = None,
    auto_update: bool | None = None,
    properties: Mapping[str, str | None] | None = None,
    expires_at: datetime | str | EllipsisType | None = ...,
    profiles: Iterable[str] | None = None,
    now: datetime | None = None,
) -> Plan:
    """Plan to change attributes of images; what already is as wanted is left alone.

    Args:
        df: a frame of images.
        filter: only these images.
        public: visible to everybody, or not.
        auto_update: kept current by the server; images without a source are left alone, it would be in vain.
        properties: to set; None as a value removes one. Others stay.
        expires_at: a time, or None for never. Advice: no server removes an image for it.
        profiles: for instances made from the images.
        now: for the filter.

    Raises:
        InvalidRequestError: nothing to set, or a value that makes no sense.
    """
    wanted: dict[str, Any] = {}
    for name, flag in (("public", public), ("auto_update", auto_update)):
        if flag is not None:
            if not isinstance(flag, bool):
                raise InvalidRequestError(f"{name} is True or False, not {flag!r}")
            wanted[name] = flag
    if not isinstance(expires_at, EllipsisType):
        wanted["expires_at"] = _expiry(expires_at)
    if profiles is not None:
        wanted["profiles"] = [profiles] if isinstance(profiles, str) else list(profiles)
    edits = _edits(properties)
    if not wanted and not edits:
        raise InvalidRequestError("nothing to set; give public, auto_update, properties, expires_at or profiles")
    places, project = bindings(df)
    which = chosen(df, filter, conditions.as_of(df, now))
    steps = [_setting(row, wanted, edits) for row, mine in zip(Rows(df), which, strict=True) if mine]
    return Plan("set", steps, places, project=project)


def _edits(properties: Mapping[str, str | None] | None) -> dict[str, str | None]:
    edits = dict(properties or {})
    if not all(isinstance(k, str) and k and isinstance(v, str | None) for k, v in edits.items()):
        raise InvalidRequestError("properties are texts by name; None removes one")
    return {key: value or None for key, value in edits.items()}


def _expiry(value: datetime | str | None) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, str | datetime):
        raise InvalidRequestError(f"{value!r} is no time; write 2027-01-31T00:00:00Z, or None for never")
    text = value if isinstance(value, str) else format_time(value)
    moment = parse_time(text)
    if moment is None:
        raise InvalidRequestError(f"{text!r} is no time; write 2027-01-31T00:00:00Z, or None for never")
    return moment


def _setting(row: Row, wanted: Mapping[str, Any], edits: Mapping[str, str | None]) -> Step:
    changes: dict[str, tuple[Any, Any]] = {}
    for name, value in wanted.items():
        old = sorted(row.profiles) if name == "profiles" else getattr(row, name)
        if old != (sorted(value) if name == "profiles" else value):
            changes[name] = (list(row.profiles) if name == "profiles" else old, value)
    for key, new in edits.items():
        before = row.properties.get(key)
        if before != new:
            changes[f"properties.{key}"] = (before, new)
    reasons = []
    if "auto_update" in changes and wanted["auto_update"]:
        source = row.update_source
        if source is None or not source.alias:
            del changes["auto_update"]
            if not changes:
                return step_for(row, KEEP, protection="it has no source to be updated from")
            reasons.append("auto_update is left off: it has no source")
    if not changes:
        return step_for(row, KEEP, protection="already so")
    if changes.get("public", (False, False))[1]:
        own = " It was made here and may hold secrets." if row.update_source is None else ""
        reasons.append(f"everybody who reaches the server will be able to fetch it.{own}")
    return step_for(row, "set", changes=changes, reason="; ".join(reasons) or "it is not so yet")


def alias(df: pd.DataFrame, name: str, *, to: str | Filter, now: datetime | None = None) -> Plan:
    """Plan to let an alias point at an image, on every server and project of the frame that holds one.

    Args:
        df: a frame of images.
        name: the alias.
        to: a fingerprint, its beginning (12 digits or more), another alias, or a filter of which the newest
            build is taken.
        now: for the filter.

    Raises:
        InvalidRequestError: an empty name, a filter that makes no sense, or nothing fits anywhere.
    """
    if not name or not isinstance(name, str):
        raise InvalidRequestError("an alias has a name")
    if not to:
        raise InvalidRequestError("an alias points at an image: give a fingerprint, another alias, or a filter")
    places, project = bindings(df)
    rows = list(Rows(df))
    fits = _fitting(df, rows, to, conditions.as_of(df, now))
    if not fits:
        raise InvalidRequestError(f"no image of the frame fits {str(to)!r}")
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.server, row.project), []).append(row)
    steps = []
    for members in groups.values():
        candidates = [row for row in members if row.fingerprint in fits.get((row.server, row.project), ())]
        target = max(candidates, key=lambda row: row.created_at or row.uploaded_at or _LONG_AGO, default=None)
        holder = next((row for row in members if name in [a.name for a in row.aliases]), None)
        if target is None:
            if holder is not None:
                steps.append(step_for(holder, KEEP, protection="nothing here fits; the alias stays where it is"))
            continue
        if holder is not None and holder.fingerprint == target.fingerprint:
            steps.append(step_for(target, KEEP, protection="already so"))
            continue
        before = holder.fingerprint if holder is not None else None
        reason = f"it points at {before[:12]}" if before else "there is no such alias yet"
        steps.append(step_for(target, "alias", changes={name: (before, target.fingerprint)}, reason=reason))
    return Plan("alias", steps, places, project=project)


_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def _fitting(
    df: pd.DataFrame, rows: Sequence[Row], to: str | Filter, now: datetime
) -> dict[tuple[str, str], builtins.set[str]]:
    """The fingerprints that fit, by server and project."""
    text = to if isinstance(to, str) else ""
    which = [bool(text) and text in [a.name for a in row.aliases] for row in rows]
    if not any(which) and len(text) >= 12:
        which = [row.fingerprint.startswith(text.lower()) for row in rows]
    if not any(which):
        which = chosen(df, to, now)
    found: dict[tuple[str, str], builtins.set[str]] = {}
    for row, fits in zip(rows, which, strict=True):
        if fits:
            found.setdefault((row.server, row.project), builtins.set()).add(row.fingerprint)
    return found


def copy(
    df: pd.DataFrame,
    *,
    to: str | Iterable[str],
    filter: str | Filter | None = None,
    source: str | None = None,
    copy_aliases: bool = False,
    now: datetime | None = None,
) -> Plan:
    """Plan to make servers of a fleet have images that others have.

    Args:
        df: a fleet's frame.
        to: names of the servers that shall have them.
        filter: which images; by default all.
        source: take them from this server; by default from the first in the frame that has them.
        copy_aliases: with their aliases, where those are free.
        now: for the filter.

    Raises:
        InvalidRequestError: no fleet, an unknown server, one that did not answer, or two images of one server
            and fingerprint.
    """
    places, _ = bindings(df)
    if "server" not in df.index.names:
        raise InvalidRequestError("copying needs a fleet's frame: Fleet([…]).df()")
    targets = [to] if isinstance(to, str) else list(to)
    silent = df.attrs.get("unanswered", ())
    for server in [*targets, *([source] if source else [])]:
        if server not in places:
            raise InvalidRequestError(f"no server {server!r} in the frame; there: {', '.join(places)}")
        if server in silent:
            raise InvalidRequestError(f"{server!r} did not answer, so what it has is not known")
    rows = list(Rows(df))
    which = chosen(df, filter, conditions.as_of(df, now))
    have = {(row.server, row.project, row.fingerprint) for row in rows}
    taken = {(row.server, row.project, a.name) for row in rows for a in row.aliases}
    offers: dict[tuple[str, str], Row] = {}
    for row, mine in zip(rows, which, strict=True):
        if mine and (source is None or row.server == source):
            offers.setdefault((row.project, row.fingerprint), row)
    steps = []
    for row in offers.values():
        for target in targets:
            if (target, row.project, row.fingerprint) in have:
                steps.append(_placed(step_for(row, KEEP, protection="already there"), target))
                continue
            names = [a.name for a in row.aliases] if copy_aliases else []
            free = [name for name in names if (target, row.project, name) not in taken]
            blocked = ", ".join(name for name in names if name not in free)
            reason = "missing there" + (f"; aliases taken there: {blocked}" if blocked else "")
            taken.update((target, row.project, name) for name in free)
            step = step_for(row, "copy", source=row.server, changes=_with_aliases(free), reason=reason)
            steps.append(_placed(step, target))
    return Plan("copy", steps, places)


def _with_aliases(names: list[str]) -> dict[str, tuple[Any, Any]]:
    return {"aliases": ([], names)} if names else {}


def _placed(step: Step, server: str) -> Step:
    return replace(step, server=server)


def publish(
    df: pd.DataFrame,
    instances: Mapping[str, str] | Iterable[str],
    *,
    public: bool = False,
    properties: Mapping[str, str] | None = None,
) -> Plan:
    """Plan to make images of instances or snapshots.

    Args:
        df: a frame of one server and project, where the images will be.
        instances: `web` or `web/snap0`; a mapping gives each the alias its image shall have.
        public: visible to everybody. An instance holds host keys and more: think twice.
        properties: for each image; None keeps those of the instance's image.

    Raises:
        InvalidRequestError: several servers or projects, no instance, or two of one alias.
    """
    places, project = bindings(df)
    if len(places) != 1 or project == "*":
        raise InvalidRequestError("publish into one project of one server: take the frame of one client")
    wanted = (
        dict(instances)
        if isinstance(instances, Mapping)
        else dict.fromkeys([instances] if isinstance(instances, str) else instances, "")
    )
    names = [name for name in wanted.values() if name]
    if not wanted or not all(wanted) or len({*names}) < len(names):
        raise InvalidRequestError("name at least one instance, and give no alias twice")
    server = next(iter(places))
    holders = {a.name: row.fingerprint for row in Rows(df) for a in row.aliases}
    reason = "asked for"
    if public:
        reason += "; it will be visible to everybody, with the instance's host keys and whatever it holds"
    steps = []
    for instance, name in wanted.items():
        changes: dict[str, tuple[Any, Any]] = {"instance": (None, instance)}
        if name:
            changes["alias"] = (holders.get(name), name)
        if public:
            changes["public"] = (None, True)
        if properties is not None:
            changes["properties"] = (None, dict(properties))
        if name in holders:
            words = f"the alias {name} points at {holders[name][:12]}"
            steps.append(Step(server, project, "", KEEP, protection=words, alias=name))
        else:
            steps.append(Step(server, project, "", "publish", reason=reason, alias=name, changes=changes))
    return Plan("publish", steps, places, project=project)
