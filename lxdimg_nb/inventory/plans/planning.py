"""`lxdimg_nb.plan`: make plans from frames. Nothing here takes a client, so nothing here can change a server."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import EllipsisType
from typing import Any

import pandas as pd

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.filters import Filter
from lxdimg_nb.filters.fields import alias_names
from lxdimg_nb.inventory.frame import conditions
from lxdimg_nb.inventory.frame.rows import Row, Rows
from lxdimg_nb.inventory.plans.plan import Plan
from lxdimg_nb.inventory.plans.rules import PROTECTIONS, Rule, RuleSet
from lxdimg_nb.inventory.plans.step import KEEP, Step, planned_once, servers_of, step_for
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

    An image is deleted when all conditions given hold and nothing protects it: `keep_last=2, unused_for="30D"`
    are builds that are neither among the newest two of their product nor used within 30 days.

    Args:
        df: a frame of images, best with `used_by=True`; without it only `apply` looks at who uses an image.
        filter: only these images.
        keep_last: keep the newest so many builds of each product, by when they were built.
        per: columns or properties that make a product; by default os, release, variant, architecture, type.
        unused_for: only images neither used nor uploaded within that time.
        older_than: only images uploaded longer ago.
        expired: only images past their date of expiry.
        rules: several rules by priority instead; an image is judged by the first rule that matches it.
        keep: what protects an image: `pinned` (the property `pinned=yes`, or the filter below), `used` (by an
            instance or snapshot), `aliased`, `public`.
        pinned: a filter of images to keep.
        grace: keep images uploaded within that time.
        now: by default when the frame was taken.

    Raises:
        InvalidRequestError: no condition, or one that makes no sense.
    """
    if isinstance(keep, str) or not isinstance(keep, Collection) or not {*keep} <= {*PROTECTIONS}:
        raise InvalidRequestError(f"keep takes some of {', '.join(PROTECTIONS)}, not {keep!r}")
    if rules and any((filter, keep_last is not None, unused_for, older_than, expired)):
        raise InvalidRequestError("give conditions or rules, not both: conditions belong into a Rule(…)")
    if not rules:
        rules = [
            Rule(filter, keep_last=keep_last, unused_for=unused_for, older_than=older_than, expired=expired, per=per)
        ]
    rule_set = RuleSet(tuple(rules), frozenset(keep), pinned, conditions.checked_duration(grace))
    servers, project = servers_of(df)
    steps = rule_set.steps(df, conditions.as_of(df, now))
    return Plan("prune", planned_once(steps, servers), servers, project=project, rules=rule_set.steps)


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
    """Plan to change attributes of images; images that have these values already are left alone.

    Args:
        df: a frame of images.
        filter: only these images.
        public: visible to everybody, or not.
        auto_update: kept current by the server; images without a source are left alone.
        properties: to set; None as a value removes one. Others stay.
        expires_at: a time, or None for never. Informative: no server removes an image for it.
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
    edits = dict(properties or {})
    if not all(isinstance(k, str) and k and isinstance(v, str | None) for k, v in edits.items()):
        raise InvalidRequestError("properties are texts by name; None removes one")
    if not wanted and not edits:
        raise InvalidRequestError("nothing to set; give public, auto_update, properties, expires_at or profiles")
    servers, project = servers_of(df)
    steps = [_setting(row, wanted, edits) for row in _matching(df, filter, now)]
    return Plan("set", planned_once(steps, servers), servers, project=project)


def _matching(df: pd.DataFrame, filter: str | Filter | None, now: datetime | None) -> list[Row]:
    matches = conditions.matching(df, filter or None, conditions.as_of(df, now))
    return [row for row, mine in zip(Rows(df), matches, strict=True) if mine]


def _expiry(value: datetime | str | None) -> datetime | None:
    if value is None:
        return None
    text = format_time(value) if isinstance(value, datetime) else value
    if not isinstance(text, str) or (moment := parse_time(text)) is None:
        raise InvalidRequestError(f"{text!r} is no time; write 2027-01-31T00:00:00Z, or None for never")
    return moment


def _setting(row: Row, wanted: Mapping[str, Any], edits: Mapping[str, str | None]) -> Step:
    changes: dict[str, tuple[Any, Any]] = {}
    for name, new in wanted.items():
        old = list(row.profiles) if name == "profiles" else getattr(row, name)
        if old != new and (name != "profiles" or sorted(old) != sorted(new)):
            changes[name] = (old, new)
    for key, text in edits.items():
        before = row.properties.get(key)
        if before != (text or None):
            changes[f"properties.{key}"] = (before, text or None)
    source = row.update_source
    reasons = []
    if wanted.get("auto_update") and "auto_update" in changes and (source is None or not source.alias):
        del changes["auto_update"]
        if not changes:
            return step_for(row, KEEP, protection="it has no source to be updated from")
        reasons.append("auto_update is left off: it has no source")
    if not changes:
        return step_for(row, KEEP, protection="already so")
    if changes.get("public", (False, False))[1]:
        own = " It was made here and may hold secrets." if source is None else ""
        reasons.append(f"everybody who reaches the server will be able to fetch it.{own}")
    return step_for(row, "set", changes=changes, reason="; ".join(reasons) or "it is not so yet")


def alias(df: pd.DataFrame, name: str, *, to: str | Filter, now: datetime | None = None) -> Plan:
    """Plan to point an alias at an image, on every server and project of the frame that has one.

    Args:
        df: a frame of images.
        name: the alias.
        to: a fingerprint, its first 12 or more digits, another alias, or a filter of which the newest build is
            taken.
        now: for the filter.

    Raises:
        InvalidRequestError: an empty name, a filter that makes no sense, or no image matches.
    """
    if not name or not isinstance(name, str):
        raise InvalidRequestError("an alias has a name")
    if not to:
        raise InvalidRequestError("an alias points at an image: give a fingerprint, another alias, or a filter")
    servers, project = servers_of(df)
    found = {row.key for row in _named(df, to, now)}
    if not found:
        raise InvalidRequestError(f"no image of the frame fits {str(to)!r}")
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in Rows(df):
        groups.setdefault((row.server, row.project), []).append(row)
    steps = []
    for rows in groups.values():
        candidates = [row for row in rows if row.key in found]
        target = max(candidates, key=lambda row: row.created_at or row.uploaded_at or _LONG_AGO, default=None)
        holder = next((row for row in rows if name in alias_names(row)), None)
        if target is None:
            if holder is not None:
                steps.append(step_for(holder, KEEP, protection="nothing here fits; the alias stays where it is"))
        elif holder is not None and holder.fingerprint == target.fingerprint:
            steps.append(step_for(target, KEEP, protection="already so"))
        else:
            before = holder.fingerprint if holder is not None else None
            reason = f"it points at {before[:12]}" if before else "there is no such alias yet"
            steps.append(step_for(target, "alias", changes={name: (before, target.fingerprint)}, reason=reason))
    return Plan("alias", planned_once(steps, servers), servers, project=project)


_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def _named(df: pd.DataFrame, to: str | Filter, now: datetime | None) -> list[Row]:
    """The images that have the alias, else that fingerprint, else match the filter."""
    rows = list(Rows(df))
    found = [row for row in rows if to in alias_names(row)]
    if not found and isinstance(to, str) and len(to) >= 12:
        found = [row for row in rows if row.fingerprint.startswith(to.lower())]
    return found or _matching(df, to, now)


def copy(
    df: pd.DataFrame,
    *,
    to: str | Iterable[str],
    filter: str | Filter | None = None,
    source: str | None = None,
    copy_aliases: bool = False,
    now: datetime | None = None,
) -> Plan:
    """Plan to copy images to the servers of a fleet that lack them.

    Args:
        df: a frame of a fleet.
        to: the servers to copy to.
        filter: only these images.
        source: copy from this server; by default from the first in the frame that has the image.
        copy_aliases: with their aliases, where those are free.
        now: for the filter.

    Raises:
        InvalidRequestError: not a fleet's frame, an unknown server, one that did not answer, or two images of
            one server and fingerprint.
    """
    servers, _ = servers_of(df)
    if "server" not in df.index.names:
        raise InvalidRequestError("copying needs a fleet's frame: Fleet([…]).df()")
    targets = [to] if isinstance(to, str) else list(to)
    for server in [*targets, *([source] if source else [])]:
        if server not in servers:
            raise InvalidRequestError(f"no server {server!r} in the frame; there: {', '.join(servers)}")
        if server in df.attrs.get("unanswered", ()):
            raise InvalidRequestError(f"{server!r} did not answer, so what it has is not known")
    present = {row.key for row in Rows(df)}
    taken = {(row.server, row.project, name) for row in Rows(df) for name in alias_names(row)}
    sources: dict[tuple[str, str], Row] = {}
    for row in _matching(df, filter, now):
        if source is None or row.server == source:
            sources.setdefault((row.project, row.fingerprint), row)
    steps = []
    for row in sources.values():
        for target in targets:
            if (target, row.project, row.fingerprint) in present:
                step = step_for(row, KEEP, protection="already there")
            else:
                names = alias_names(row) if copy_aliases else []
                free = [name for name in names if (target, row.project, name) not in taken]
                blocked = ", ".join(name for name in names if name not in free)
                taken.update((target, row.project, name) for name in free)
                reason = "missing there" + (f"; aliases taken there: {blocked}" if blocked else "")
                changes: dict[str, tuple[Any, Any]] = {"aliases": ([], free)} if free else {}
                step = step_for(row, "copy", source=row.server, changes=changes, reason=reason)
            steps.append(replace(step, server=target))
    return Plan("copy", planned_once(steps, servers), servers)


def publish(
    df: pd.DataFrame,
    instances: Mapping[str, str] | Iterable[str],
    *,
    public: bool = False,
    properties: Mapping[str, str] | None = None,
) -> Plan:
    """Plan to publish instances or snapshots as images.

    Args:
        df: a frame of one server and project, where the images will be.
        instances: `web` or `web/snap0`; a mapping gives the alias of each image.
        public: visible to everybody. An instance holds host keys and more.
        properties: for each image; None keeps those of the instance's image.

    Raises:
        InvalidRequestError: several servers or projects, no instance, or two of one alias.
    """
    servers, project = servers_of(df)
    if len(servers) != 1 or project == "*":
        raise InvalidRequestError("publish into one project of one server: take the frame of one client")
    if not isinstance(instances, Mapping):
        instances = dict.fromkeys([instances] if isinstance(instances, str) else instances, "")
    names = [name for name in instances.values() if name]
    if not instances or not all(instances) or len({*names}) < len(names):
        raise InvalidRequestError("name at least one instance, and give no alias twice")
    (server,) = servers
    holders = {name: row.fingerprint for row in Rows(df) for name in alias_names(row)}
    reason = "asked for"
    if public:
        reason += "; it will be visible to everybody, with the instance's host keys and whatever it holds"
    steps = []
    for instance, name in instances.items():
        if name in holders:
            protection = f"the alias {name} points at {holders[name][:12]}"
            steps.append(Step(server, project, "", KEEP, protection=protection, alias=name))
            continue
        changes: dict[str, tuple[Any, Any]] = {"instance": (None, instance)}
        if name:
            changes["alias"] = (None, name)
        if public:
            changes["public"] = (None, True)
        if properties is not None:
            changes["properties"] = (None, dict(properties))
        steps.append(Step(server, project, "", "publish", reason=reason, alias=name, changes=changes))
    return Plan("publish", steps, servers, project=project)
