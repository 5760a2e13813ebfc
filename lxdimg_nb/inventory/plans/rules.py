"""Which images may go: rules by priority, and what protects an image from all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.filters import Filter, parse
from lxdimg_nb.inventory.frame import conditions
from lxdimg_nb.inventory.frame.rows import Row, Rows, needed
from lxdimg_nb.inventory.plans.plan import KEEP, Step, chosen, step_for
from lxdimg_nb.text import display, formats

__all__ = ["PROTECTIONS", "Rule", "Ruling"]

PROTECTIONS = ("pinned", "used", "aliased", "public")


@dataclass(frozen=True, slots=True)
class Rule:
    """Images that the filter lets through may go when every condition given holds.

    Args:
        filter: which images this rule is about; the first rule that fits an image decides on it.
        keep_last: not the newest so many builds of a product.
        unused_for: only when not used (nor uploaded) for so long.
        older_than: only when uploaded so long ago.
        expired: only when past its date of expiry.
        per: what makes two images builds of one product.
        name: for the reason.

    Raises:
        InvalidRequestError: no condition at all, a filter or duration that makes no sense.
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
                conditions.duration(span)
        if isinstance(self.per, str):
            object.__setattr__(self, "per", (self.per,))
        parse(self.filter)


@dataclass(frozen=True, slots=True)
class Ruling:
    """Rules in their order, with what protects from them all. Applied to one frame it plans, to a later it checks."""

    rules: tuple[Rule, ...]
    keep: frozenset[str] = frozenset(PROTECTIONS)
    pinned: str | Filter | None = None
    grace: timedelta = field(default_factory=lambda: timedelta(hours=6))

    def steps(self, frame: pd.DataFrame, now: datetime) -> list[Step]:
        """A step an image: delete with the reason, or keep with the protection."""
        rows = Rows(frame)
        pinned = chosen(frame, self.pinned, now) if self.pinned else [False] * len(frame)
        claimed: list[tuple[str, str] | None] = [None] * len(frame)
        for number, rule in enumerate(self.rules, 1):
            mine = [m and c is None for m, c in zip(chosen(frame, rule.filter, now), claimed, strict=True)]
            verdicts = _verdicts(rule, frame, mine, now)
            label = rule.name or (f"rule {number}" if len(self.rules) > 1 else "")
            for at, verdict in verdicts.items():
                go, words = verdict
                claimed[at] = ("go" if go else "stay", f"{label}: {words}" if label and go else words)
        return [self._step(row, claimed[at], pinned[at], now) for at, row in enumerate(rows)]

    def _step(self, row: Row, verdict: tuple[str, str] | None, pinned: bool, now: datetime) -> Step:
        kind, words = verdict or ("stay", "no rule is about it")
        protection = self.protection(row, pinned, now)
        if protection or kind == "stay":
            return step_for(row, KEEP, protection=protection or words, reason=words if kind == "go" else "")
        step = step_for(row, "delete", reason=words)
        if "used" not in self.keep:
            return step
        if row.used_by is None:
            step = replace(step, reason=f"{words}; whether it is used is read when it is applied")
        return replace(step, expects={**step.expects, "used_by": []})

    def protection(self, row: Row, pinned: bool, now: datetime) -> str:
        """What keeps an image whatever the rules say, empty when nothing does."""
        if "pinned" in self.keep and (pinned or row.properties.get("pinned", "").lower() in ("yes", "true", "1", "on")):
            return "pinned"
        if "used" in self.keep and row.used_by:
            return f"used by {display.format_value(row.used_by[:5])}" + (" …" if len(row.used_by) > 5 else "")
        names = [alias.name for alias in row.aliases]
        if "aliased" in self.keep and names:
            return f"has the alias {display.format_value(names[:5])}"
        if "public" in self.keep and row.public:
            return "public"
        uploaded = row.uploaded_at
        if uploaded is None:
            return "its upload is not dated" if self.grace else ""
        return f"uploaded {formats.age(uploaded, now)}" if self.grace and now - uploaded < self.grace else ""


def _verdicts(rule: Rule, frame: pd.DataFrame, mine: list[bool], now: datetime) -> dict[int, tuple[bool, str]]:
    """For each image the rule is about whether it may go, and why or why not."""
    since = conditions.idle_since(frame).tolist()
    uploaded, expires = needed(frame, "uploaded_at").tolist(), needed(frame, "expires_at").tolist()
    ranks = _ranks(rule, frame, mine) if rule.keep_last is not None else {}
    verdicts: dict[int, tuple[bool, str]] = {}
    for at in (i for i, m in enumerate(mine) if m):
        checks: list[tuple[bool, str]] = []
        if rule.keep_last is not None:
            checks.append(_by_rank(rule.keep_last, ranks.get(at)))
        if rule.unused_for is not None:
            checks.append(_by_age("idle", since[at], conditions.duration(rule.unused_for), now))
        if rule.older_than is not None:
            checks.append(_by_age("uploaded", uploaded[at], conditions.duration(rule.older_than), now))
        if rule.expired:
            gone = not pd.isna(expires[at]) and expires[at] <= now
            checks.append((gone, f"expired {formats.age(expires[at], now)}" if gone else "not expired"))
        against = [words for holds, words in checks if not holds]
        verdicts[at] = (not against, ", ".join(against or [words for _, words in checks]))
    return verdicts


def _ranks(rule: Rule, frame: pd.DataFrame, mine: list[bool]) -> dict[int, tuple[int, int]]:
    """For each image of a known product its place from the newest, and how many builds there are."""
    labels = conditions.product(frame, rule.per).tolist()
    uploaded = needed(frame, "uploaded_at")
    built = needed(frame, "created_at").fillna(uploaded)
    order = pd.DataFrame({"built": built.to_numpy(), "uploaded": uploaded.to_numpy()})
    newest = order.sort_values(["built", "uploaded"], ascending=False, kind="stable", na_position="last").index
    groups: dict[str, list[int]] = {}
    for at in newest:
        if mine[at] and isinstance(labels[at], str):
            groups.setdefault(labels[at], []).append(int(at))
    return {at: (place, len(group)) for group in groups.values() for place, at in enumerate(group, 1)}


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
    age = formats.age(since.to_pydatetime(warn=False), now)
    return now - since >= span, f"idle for {age.removesuffix(' ago')}" if word == "idle" else f"uploaded {age}"
