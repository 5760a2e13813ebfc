"""Which images `plan.prune` deletes: rules by priority, and what protects an image from all of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.filters import Filter, parse
from lxdimg_nb.filters.fields import alias_names
from lxdimg_nb.inventory.frame import conditions
from lxdimg_nb.inventory.frame.rows import Row, Rows, needed
from lxdimg_nb.inventory.plans.step import KEEP, Step, step_for
from lxdimg_nb.text import display, formats

__all__ = ["PROTECTIONS", "Rule", "RuleSet"]

PROTECTIONS = ("pinned", "used", "aliased", "public")


@dataclass(frozen=True, slots=True)
class Rule:
    """Images that match the filter are deleted when every condition given holds.

    Args:
        filter: which images this rule is about; an image is judged by the first rule that matches it.
        keep_last: keep the newest so many builds of each product.
        unused_for: only images neither used nor uploaded within that time.
        older_than: only images uploaded longer ago.
        expired: only images past their date of expiry.
        per: columns or properties that make a product.
        name: for the reason.

    Raises:
        InvalidRequestError: no condition, or a filter or duration that makes no sense.
    """

    filter: str | Filter | None = None
    keep_last: int | None = None
    unused_for: str | timedelta | None = None
    older_than: str | timedelta | None = None
    expired: bool = False
    per: str | Sequence[str] = conditions.PRODUCT
    name: str = ""

    def __post_init__(self) -> None:
        if self.keep_last is None and self.unused_for is None and self.older_than is None and not self.expired:
            raise InvalidRequestError(
                "a rule needs a condition: keep_last=2, unused_for='30D', older_than='1y' or expired=True"
            )
        if self.keep_last is not None and not (type(self.keep_last) is int and self.keep_last >= 0):
            raise InvalidRequestError("keep_last is a number of builds, 0 or more")
        for span in (self.unused_for, self.older_than):
            if span is not None:
                conditions.checked_duration(span)
        parse(self.filter)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules in their order, and what protects from all of them."""

    rules: tuple[Rule, ...]
    keep: frozenset[str] = frozenset(PROTECTIONS)
    pinned: str | Filter | None = None
    grace: timedelta = field(default_factory=lambda: timedelta(hours=6))

    def steps(self, frame: pd.DataFrame, now: datetime) -> list[Step]:
        """A step an image: delete with the reason, or keep with the protection."""
        pinned = conditions.matching(frame, self.pinned, now).tolist() if self.pinned else [False] * len(frame)
        verdicts: dict[int, tuple[bool, str]] = {}
        for number, rule in enumerate(self.rules, 1):
            label = rule.name or (f"rule {number}" if len(self.rules) > 1 else "")
            for at, (delete, reason) in _verdicts(rule, frame, verdicts.keys(), now).items():
                verdicts[at] = delete, f"{label}: {reason}" if label and delete else reason
        none = (False, "no rule is about it")
        times = conditions.moments(frame, now).tolist()
        return [self._step(row, *verdicts.get(at, none), pinned[at], times[at]) for at, row in enumerate(Rows(frame))]

    def _step(self, row: Row, delete: bool, reason: str, pinned: bool, now: datetime) -> Step:
        protection = self._protection(row, pinned, now)
        if protection or not delete:
            return step_for(row, KEEP, protection=protection or reason, reason=reason if delete else "")
        if "used" in self.keep and row.used_by is None:
            reason += "; whether it is used is read when it is applied"
        step = step_for(row, "delete", reason=reason)
        return replace(step, expects={**step.expects, "used_by": []}) if "used" in self.keep else step

    def _protection(self, row: Row, pinned: bool, now: datetime) -> str:
        """What protects an image whatever the rules say; empty if nothing does."""
        if "pinned" in self.keep and (pinned or row.properties.get("pinned", "").lower() in ("yes", "true", "1", "on")):
            return "pinned"
        if "used" in self.keep and row.used_by:
            return f"used by {display.format_value(row.used_by[:5])}" + (" …" if len(row.used_by) > 5 else "")
        names = alias_names(row)
        if "aliased" in self.keep and names:
            return f"has the alias {display.format_value(names[:5])}"
        if "public" in self.keep and row.public:
            return "public"
        if self.grace and row.uploaded_at is None:
            return "its upload is not dated"
        if self.grace and row.uploaded_at and now - row.uploaded_at < self.grace:
            ahead = row.uploaded_at > now
            return "its upload is dated in the future" if ahead else f"uploaded {formats.age(row.uploaded_at, now)}"
        return ""


def _verdicts(rule: Rule, frame: pd.DataFrame, judged: Collection[int], now: datetime) -> dict[int, tuple[bool, str]]:
    """For each row the rule is about whether it may be deleted, and why or why not."""
    matches = conditions.matching(frame, rule.filter, now).to_numpy()
    rows = [int(at) for at in np.flatnonzero(matches) if at not in judged]
    idle, uploaded = conditions.idle_since(frame).tolist(), needed(frame, "uploaded_at").tolist()
    expires, times = needed(frame, "expires_at").tolist(), conditions.moments(frame, now).tolist()
    ranks = _ranks(rule, frame, rows) if rule.keep_last is not None else {}
    verdicts: dict[int, tuple[bool, str]] = {}
    for at in rows:
        checks: list[tuple[bool, str]] = []
        if rule.keep_last is not None:
            checks.append(_by_rank(rule.keep_last, ranks.get(at)))
        if rule.unused_for is not None:
            checks.append(_by_age("idle", idle[at], conditions.checked_duration(rule.unused_for), times[at]))
        if rule.older_than is not None:
            checks.append(_by_age("uploaded", uploaded[at], conditions.checked_duration(rule.older_than), times[at]))
        if rule.expired:
            expired = not pd.isna(expires[at]) and expires[at] <= times[at]
            checks.append((expired, f"expired {formats.age(expires[at], times[at])}" if expired else "not expired"))
        against = [words for holds, words in checks if not holds]
        verdicts[at] = not against, ", ".join(against or [words for _, words in checks])
    return verdicts


def _ranks(rule: Rule, frame: pd.DataFrame, rows: Sequence[int]) -> dict[int, tuple[int, int]]:
    """For each of these rows with a known product its place from the newest, and how many builds there are."""
    per = (rule.per,) if isinstance(rule.per, str) else tuple(rule.per)
    uploaded = needed(frame, "uploaded_at")
    builds = pd.DataFrame(
        {
            "product": conditions.product(frame, per).to_numpy(),
            "built": needed(frame, "created_at").fillna(uploaded).array,
            "uploaded": uploaded.array,
        }
    ).iloc[list(rows)]
    newest = builds.dropna(subset="product").sort_values(["built", "uploaded"], ascending=False, kind="stable")
    groups = newest.groupby("product")["product"]
    return dict(zip(newest.index, zip(groups.cumcount() + 1, groups.transform("size"), strict=True), strict=True))


def _by_rank(keep: int, rank: tuple[int, int] | None) -> tuple[bool, str]:
    if rank is None:
        return False, "its product is not known"
    place, count = rank
    if place <= keep:
        return False, f"among the newest {keep} of its product" if count > 1 else "the only build of its product"
    return True, f"build {place} of {count} of its product, newest first"


def _by_age(word: str, since: Any, span: timedelta, now: datetime) -> tuple[bool, str]:
    if pd.isna(since):
        return False, f"since when it is {word} is not known"
    if since > now:
        return False, f"its {'last use or upload' if word == 'idle' else 'upload'} is dated in the future"
    age = formats.age(since.to_pydatetime(warn=False), now)
    return now - since >= span, f"idle for {age.removesuffix(' ago')}" if word == "idle" else f"uploaded {age}"
