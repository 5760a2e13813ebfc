"""The filter of `GET /1.0/images?filter=`: parsed from left to right, matched as each product does.

LXD 5.0.2 compares texts only and finds nothing where types differ; Incus 6.0.4 converts by type and refuses
what it cannot convert. Both panic on a field inside `aliases` or `update_source` and drop the connection.

Source: replies of LXD 5.0.2 and Incus 6.0.4 to some thirty filters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..store.refusals import Dropped, Refusal

__all__ = ["matches", "parse_filter"]


@dataclass(frozen=True)
class Clause:
    """One comparison, how it is joined to the one before, and whether it is negated."""

    joiner: str
    negated: bool
    field: str
    operator: str
    value: str


def parse_filter(text: str) -> list[Clause]:
    """The clauses of a filter.

    Raises:
        Refusal: 500, as the daemons reply to an invalid filter.
    """
    words = text.split()
    clauses: list[Clause] = []
    joiner = ""
    while words:
        negated = words[0].lower() == "not"
        del words[:negated]
        if len(words) < 2:
            raise Refusal(500, "Invalid filter: clause has no operator")
        if len(words) < 3:
            raise Refusal(500, "Invalid filter: clause has no value")
        name, operator = words[:2]
        length = _length(words[2:])
        value = " ".join(words[2 : 2 + length])
        del words[: 2 + length]
        clauses.append(Clause(joiner, negated, name, operator, value[1:-1] if length > 1 else value))
        if words:
            joiner = words.pop(0)
            if joiner not in ("and", "or"):
                raise Refusal(500, "Invalid filter: invalid clause composition")
            if not words:
                raise Refusal(500, "Invalid filter: unterminated compound clause")
    return clauses


def _length(words: list[str]) -> int:
    """How many words a value has: several in double quotes, which must contain a space, as for the daemons."""
    if not words[0].startswith('"'):
        return 1
    for count, word in enumerate(words[1:], 2):
        if word.endswith('"'):
            return count
    raise Refusal(500, "Invalid filter: unterminated quote")


def matches(image: dict[str, Any], clauses: list[Clause], *, typed: bool, any_of: bool = False) -> bool:
    """Whether an image matches.

    Args:
        image: its document.
        clauses: of the filter.
        typed: compare by type, as all but LXD 5.0.2 do.
        any_of: a comma separates texts of which one must be equal, as on Incus 6.12 and newer.
    """
    test: Callable[[dict[str, Any], Clause], bool] = _typed if typed else _textual
    passed = True
    for clause in clauses:
        one = (_any_of if any_of else test)(image, clause) != clause.negated
        if clause.joiner == "or":
            passed = passed or one
        elif clause.joiner == "and":
            passed = passed and one
        else:
            passed = one
    return passed


def _value(image: dict[str, Any], name: str) -> Any:
    head, dot, rest = name.partition(".")
    if not dot:
        return image.get(name)
    if head == "properties":
        return image["properties"].get(rest)
    if head in ("aliases", "update_source"):
        raise Dropped
    return None


def _text_equal(value: str, wanted: str) -> bool:
    anchored = wanted if "^" in wanted or "$" in wanted else f"^{wanted}$"
    try:
        return re.search(anchored, value, re.IGNORECASE) is not None
    except re.error:
        return value == wanted


def _textual(image: dict[str, Any], clause: Clause) -> bool:
    value = _value(image, clause.field)
    equal = isinstance(value, str) and "_at" not in clause.field and _text_equal(value, clause.value)
    return not equal if clause.operator == "ne" else equal


def _any_of(image: dict[str, Any], clause: Clause) -> bool:
    value = _value(image, clause.field)
    if "," in clause.value and isinstance(value, str) and clause.operator in ("eq", "ne"):
        return (value in clause.value.split(",")) == (clause.operator == "eq")
    return _typed(image, clause)


def _typed(image: dict[str, Any], clause: Clause) -> bool:
    if clause.operator not in ("eq", "ne"):
        raise Refusal(500, "Unsupported operation")
    equal = _typed_equal(clause.field, _value(image, clause.field), clause.value)
    return equal != (clause.operator == "ne")


def _typed_equal(name: str, value: Any, wanted: str) -> bool:
    if isinstance(value, bool):
        if wanted.lower() not in ("true", "false", "t", "f", "1", "0"):
            raise Refusal(500, f'Failed to parse value: strconv.ParseBool: parsing "{wanted}": invalid syntax')
        return value == (wanted.lower() in ("true", "t", "1"))
    if isinstance(value, int):
        try:
            return value == int(wanted)
        except ValueError as error:
            text = f'Failed to parse value: strconv.ParseInt: parsing "{wanted}": invalid syntax'
            raise Refusal(500, text) from error
    if name.startswith("properties."):
        return _text_equal(value or "", wanted)
    if name == "profiles":
        try:
            return bool(value == json.loads(wanted))
        except ValueError as error:
            text = f"Failed to parse value: invalid character '{wanted[:1]}' looking for beginning of value"
            raise Refusal(500, text) from error
    if name == "aliases":
        raise Refusal(500, 'Invalid slice type "struct" for field "aliases"')
    if name == "properties" or name.endswith("_at") or not isinstance(value, str):
        kind = "map" if name == "properties" else "struct" if name.endswith("_at") else "invalid"
        raise Refusal(500, f'Invalid type "{kind}" for field "{name}"')
    return _text_equal(value, wanted)
