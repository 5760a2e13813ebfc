"""Conditions on images, and how a value meets them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from lxdimg_nb.filters.fields import AGE_FIELDS, BOOLEAN_FIELDS, TEXT_FIELDS, TIME_FIELDS, Filterable, alias_names

__all__ = ["Filter", "Term"]

_Key = list[tuple[int, int, str]]
_C = TypeVar("_C", int, datetime, timedelta, _Key)


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. `field` is an attribute, `properties.NAME`, or empty for a bare word."""

    field: str
    operator: str
    values: tuple[str, ...]
    text: str
    _patterns: tuple[re.Pattern[str] | str, ...] = ()
    _bound: bool | int | datetime | timedelta | None = None

    def matches(self, image: Filterable, now: datetime) -> bool:
        """Whether the image meets the condition."""
        field, operator = self.field, self.operator
        if not field:
            texts = [*alias_names(image), image.fingerprint, image.properties.get("description", "")]
            return any(_fits(pattern, text) for pattern in self._patterns for text in texts)
        if field in BOOLEAN_FIELDS:
            return (BOOLEAN_FIELDS[field](image) is self._bound) is (operator == "=")
        if field == "size" and isinstance(self._bound, int):
            return _compare(operator, image.size, self._bound)
        if field in TIME_FIELDS:
            return self._time(TIME_FIELDS[field](image), now)
        if field in AGE_FIELDS and isinstance(self._bound, timedelta):
            since = AGE_FIELDS[field](image)
            return since is not None and _compare(operator, now - since, self._bound)
        return self._texts(TEXT_FIELDS[field](image) if field in TEXT_FIELDS else self._property(image))

    def _property(self, image: Filterable) -> Sequence[str]:
        value = image.properties.get(self.field.removeprefix("properties."))
        return [value] if value else []

    def _texts(self, texts: Sequence[str]) -> bool:
        if self.operator in ("=", "!="):
            if not texts:
                found = "" in self._patterns
            else:
                found = any(_fits(pattern, text) for pattern in self._patterns for text in texts)
            return found is (self.operator == "=")
        bound = _natural(self.values[0])
        return any(_compare(self.operator, _natural(text), bound) for text in texts)

    def _time(self, moment: datetime | None, now: datetime) -> bool:
        if self.operator in ("=", "!="):
            stamp = "" if moment is None else moment.isoformat()
            return any(_fits(pattern, stamp) for pattern in self._patterns) is (self.operator == "=")
        bound = self._bound if isinstance(self._bound, datetime) else now
        return moment is not None and _compare(self.operator, moment, bound)


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that an image must all meet; without any it is false and lets everything through."""

    terms: tuple[Term, ...] = ()

    def matches(self, image: Filterable, now: datetime | None = None) -> bool:
        """Whether the image meets every condition; ages are counted at `now`, by default the clock's."""
        moment = now or datetime.now(UTC)
        return all(term.matches(image, moment) for term in self.terms)

    @property
    def fields(self) -> frozenset[str]:
        """The fields named, properties as `properties.NAME`."""
        return frozenset(term.field for term in self.terms if term.field)

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __str__(self) -> str:
        return " ".join(term.text for term in self.terms)


def _fits(pattern: re.Pattern[str] | str, text: str) -> bool:
    if isinstance(pattern, str):
        return text.casefold() == pattern
    return pattern.match(text) is not None


def _natural(text: str) -> _Key:
    """A key that sorts 9 before 10 and 22.04 before 24.04; digits stay text, whatever their number."""
    parts = re.split(r"([0-9]+)", text.casefold())
    return [(0, len(n := part.lstrip("0")), n) if i % 2 else (1, 0, part) for i, part in enumerate(parts) if part]


def _compare(operator: str, a: _C, b: _C) -> bool:
    if operator == "=":
        return a == b
    if operator == "!=":
        return a != b
    if operator == "<":
        return a < b
    if operator == "<=":
        return a <= b
    return a > b if operator == ">" else a >= b
