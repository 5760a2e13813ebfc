"""Conditions on images, and whether an image meets them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from lxdimg_nb.filters.fields import AGE_FIELDS, BOOLEAN_FIELDS, TEXT_FIELDS, TIME_FIELDS, Filterable, alias_names

__all__ = ["Filter", "Term"]

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}


@dataclass(frozen=True, slots=True)
class Term:
    """One condition.

    Attributes:
        field: an attribute, `properties.NAME`, or empty for a bare word.
        operator: one of `= != < <= > >=`; empty for a bare word.
        values: the alternatives, as written.
        text: the whole term, as written.
    """

    field: str
    operator: str
    values: tuple[str, ...]
    text: str
    _patterns: tuple[re.Pattern[str] | str, ...] = ()
    _bound: bool | int | datetime | timedelta | None = None

    def matches(self, image: Filterable, now: datetime) -> bool:
        """Whether an image meets the condition."""
        field = self.field
        if not field:
            return self._equals([*alias_names(image), image.fingerprint, image.properties.get("description", "")])
        if field in BOOLEAN_FIELDS:
            return self._compare(BOOLEAN_FIELDS[field](image), self._bound)
        if field == "size":
            return self._compare(image.size, self._bound)
        if field in AGE_FIELDS:
            since = AGE_FIELDS[field](image)
            return since is not None and self._compare(now - since, self._bound)
        if field in TIME_FIELDS:
            return self._matches_time(TIME_FIELDS[field](image), now)
        return self._matches_texts(TEXT_FIELDS[field](image) if field in TEXT_FIELDS else self._property(image))

    def _property(self, image: Filterable) -> Sequence[str]:
        value = image.properties.get(self.field.removeprefix("properties."))
        return [value] if value else []

    def _matches_texts(self, texts: Sequence[str]) -> bool:
        if self.operator in ("=", "!="):
            # No text is what `=` alone looks for; `=*` looks for any.
            equal = self._equals(texts) if texts else "" in self._patterns
            return equal is (self.operator == "=")
        bound = _natural_key(self.values[0])
        return any(self._compare(_natural_key(text), bound) for text in texts)

    def _matches_time(self, moment: datetime | None, now: datetime) -> bool:
        if self.operator in ("=", "!="):
            return self._equals(["" if moment is None else moment.isoformat()]) is (self.operator == "=")
        return moment is not None and self._compare(moment, self._bound or now)

    def _equals(self, texts: Sequence[str]) -> bool:
        return any(
            text.casefold() == pattern if isinstance(pattern, str) else pattern.match(text) is not None
            for pattern in self._patterns
            for text in texts
        )

    def _compare(self, value: object, bound: object) -> bool:
        return _COMPARISONS[self.operator](value, bound)


@dataclass(frozen=True, slots=True)
class Filter:
    """Terms that an image must all match. A filter without terms is false and matches everything."""

    terms: tuple[Term, ...] = ()

    def matches(self, image: Filterable, now: datetime | None = None) -> bool:
        """Whether an image matches; ages are counted at `now`, by default the current time."""
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


def _natural_key(text: str) -> list[tuple[int, int, str]]:
    """A sort key that puts 9 before 10 and 22.04 before 24.04; digits stay text, so their number does not matter."""
    parts = re.split(r"([0-9]+)", text.casefold())
    return [(0, len(n := part.lstrip("0")), n) if i % 2 else (1, 0, part) for i, part in enumerate(parts) if part]
