"""A filter's text to its conditions. A mistake is told, never guessed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TypeVar

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.filters.fields import (
    AGE_FIELDS,
    ARCHITECTURES,
    BOOLEAN_FIELDS,
    COMMON_PROPERTIES,
    FIELDS,
    SYNONYMS,
    TIME_FIELDS,
)
from lxdimg_nb.filters.terms import Filter, Term
from lxdimg_nb.text import formats

__all__ = ["closest_match", "parse"]

_TYPES = {"vm": "virtual-machine", "ct": "container"}
_YES = {
    "yes": True,
    "true": True,
    "on": True,
    "1": True,
    "no": False,
    "false": False,
    "off": False,
    "0": False,
}
_N = TypeVar("_N")
_OPERATORS = ("!=", "<=", ">=", "==", "=", "<", ">")
# The servers' own language, as in `properties.os eq ubuntu and type eq container`.
_SPOKEN = {"eq": "=", "ne": "!="}


def parse(text: str | Iterable[str] | Filter | None, *, known_properties: Iterable[str] | None = None) -> Filter:
    """Read a filter.

    Args:
        text: one text, or terms already split (then quotes have no meaning).
        known_properties: property names that images at hand have; with them a field that is neither an
            attribute nor among these nor conventional is an error, without them it is taken for a property.

    Raises:
        InvalidRequestError: a field nobody knows, a value that does not fit its field, an open quote.
    """
    if isinstance(text, Filter):
        return text
    if text is None:
        return Filter()
    terms: list[object] = [text] if isinstance(text, str) or not isinstance(text, Iterable) else list(text)
    if not all(isinstance(term, str) for term in terms):
        raise InvalidRequestError(f"a filter is a text like 'os=ubuntu size>1GiB', not {text!r}")
    words = _split(text) if isinstance(text, str) else [[(c, False) for c in word] for word in map(str, terms) if word]
    known = None if known_properties is None else frozenset(known_properties)
    return Filter(tuple(_term(word, known) for word in words))


_Marked = list[tuple[str, bool]]  # characters, and whether quotes protect them
_DOT, _STAR = (".", False), ("*", False)


def _split(text: str) -> list[_Marked]:
    words: list[_Marked] = []
    word: _Marked = []
    quote, started = "", False
    for char in text:
        if quote:
            if char == quote:
                quote = ""
            else:
                word.append((char, True))
        elif char in "\"'":
            quote, started = char, True
        elif char.isspace():
            if word or started:
                words.append(word)
            word, started = [], False
        else:
            word.append((char, False))
    if quote:
        raise InvalidRequestError(f"the filter {text!r} opens a quote {quote} and does not close it")
    if word or started:
        words.append(word)
    return _glue([w for w in words if w])


def _glue(words: list[_Marked]) -> list[_Marked]:
    """`size > 1GiB` is one term, as `size>1GiB` is; so is `os eq ubuntu`."""
    glued: list[_Marked] = []
    join = spoken = False
    for word in words:
        bare = "" if any(quoted for _, quoted in word) else _plain(word)
        if glued and not join and bare in _SPOKEN:
            bare, spoken = _SPOKEN[bare], True
            word = [(char, False) for char in bare]
        if glued and (bare in _OPERATORS or join):
            glued[-1] = glued[-1] + (_as_glob(word) if spoken else word)
            join = bare in _OPERATORS
        elif spoken and bare in ("or", "not"):
            raise InvalidRequestError(
                f"a filter knows no {bare!r}; os=ubuntu,debian is either of them, os!=ubuntu is any other"
            )
        elif not (spoken and bare == "and"):
            glued.append(word)
    return glued


def _as_glob(word: _Marked) -> _Marked:
    """`test.*` as servers want it is `test*`."""
    return [mark for mark, after in zip(word, [*word[1:], None], strict=True) if (mark, after) != (_DOT, _STAR)]


def _plain(word: _Marked) -> str:
    return "".join(char for char, _ in word)


def _term(word: _Marked, known: frozenset[str] | None) -> Term:
    at = next((i for i, (char, quoted) in enumerate(word) if char in "=!<>" and not quoted), None)
    text = _shown(word)
    if at is None:
        return Term("", "", (_plain(word),), text, tuple(_pattern(word, inside=True) for word in _alternatives(word)))
    operator = next((op for op in _OPERATORS if word[at : at + len(op)] == [(char, False) for char in op]), "")
    name = _plain(word[:at])
    if not name or not operator:
        raise InvalidRequestError(f"{text!r} is no condition; write FIELD=VALUE, FIELD!=VALUE, FIELD<VALUE, or a word")
    field = _field(name, text, known)
    value = word[at + len(operator) :]
    return _typed(field, "=" if operator == "==" else operator, value, text)


def _shown(word: _Marked) -> str:
    if not any(quoted for _, quoted in word):
        return _plain(word)
    text, inside = "", False
    quote = "'" if ('"', True) in word else '"'
    for char, quoted in word:
        if quoted is not inside:
            text, inside = text + quote, quoted
        text += char
    return text + (quote if inside else "")


def _field(name: str, text: str, known: frozenset[str] | None) -> str:
    plain = SYNONYMS.get(name.lower(), name.lower())
    if plain in FIELDS:
        return plain
    key = name.removeprefix("properties.")
    if known is None or key in known or key in COMMON_PROPERTIES:
        return f"properties.{key}"
    alike = [other for other in known if other.lower() == key.lower()]
    if len(alike) == 1:
        return f"properties.{alike[0]}"
    candidates = {*FIELDS, *SYNONYMS, *known, *COMMON_PROPERTIES}
    near = closest_match(key, candidates)
    hint = f"did you mean {near!r}? " if near else ""
    properties = sorted({*known, *COMMON_PROPERTIES} - set(FIELDS))
    shown = ", ".join(properties[:20]) + (", …" if len(properties) > 20 else "")
    raise InvalidRequestError(
        f"no field {key!r} in the filter term {text!r}; {hint}known: {', '.join(FIELDS)}; properties: {shown}",
        field=key,
        suggestion=near,
    )


def closest_match(word: str, known: Iterable[str]) -> str:
    """The known word that is spelled most like this one, empty when none is."""
    near = difflib.get_close_matches(word[:64], sorted(k for k in known if len(k) <= 64), n=1, cutoff=0.6)
    return near[0] if near else ""


def _typed(field: str, operator: str, value: _Marked, text: str) -> Term:
    plain = _plain(value)
    ordering = operator not in ("=", "!=")
    if field in BOOLEAN_FIELDS:
        flag = _YES.get(plain.lower())
        if flag is None or ordering:
            raise InvalidRequestError(f"{text!r}: {field} is yes or no; write {field}=yes or {field}=no")
        return Term(field, operator, (plain,), text, (), flag)
    if field == "size":
        return Term(field, operator, (plain,), text, (), _number(formats.parse_size, plain, text))
    if field in AGE_FIELDS:
        return Term(field, operator, (plain,), text, (), _number(formats.parse_duration, plain, text))
    if field in TIME_FIELDS:
        return _time_term(field, operator, value, text)
    words = _alternatives(value)
    if ordering and (len(words) > 1 or not plain):
        raise InvalidRequestError(f"{text!r}: {operator} takes one value")
    values = tuple(_plain(word) for word in words)
    names = ARCHITECTURES if field == "architecture" else _TYPES if field == "type" else {}
    patterns = tuple(names.get(v.lower(), _pattern(w)) for v, w in zip(values, words, strict=True))
    return Term(field, operator, values, text, patterns)


def _number(read: Callable[[str], _N], value: str, text: str) -> _N:
    try:
        return read(value)
    except (ValueError, OverflowError) as exc:
        raise InvalidRequestError(f"{text!r}: {exc}") from exc


def _time_term(field: str, operator: str, value: _Marked, text: str) -> Term:
    plain = _plain(value)
    if operator in ("=", "!="):
        words = _alternatives(value)
        never = {"never", "none", ""}
        patterns = tuple("" if _plain(w).lower() in never else _pattern([*w, ("*", False)]) for w in words)
        return Term(field, operator, tuple(map(_plain, words)), text, patterns)
    if plain.lower() == "now":
        return Term(field, operator, (plain,), text)
    try:
        moment = datetime.fromisoformat(plain)
    except ValueError as exc:
        raise InvalidRequestError(
            f"{text!r}: {plain!r} is not a time; write a date such as 2026-01-31, or `now`"
            " (for how long ago use age>90d or idle>90d)"
        ) from exc
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return Term(field, operator, (plain,), text, (), moment)


def _alternatives(value: _Marked) -> list[_Marked]:
    words: list[_Marked] = [[]]
    for char, quoted in value:
        if char == "," and not quoted:
            words.append([])
        else:
            words[-1].append((char, quoted))
    return words


def _pattern(word: _Marked, *, inside: bool = False) -> re.Pattern[str] | str:
    """A glob; without any wild card the lower-cased text itself. `inside` looks anywhere in a text."""
    if not inside and not any(char in "*?" and not quoted for char, quoted in word):
        return _plain(word).casefold()
    pieces = [""]
    for char, quoted in word:
        if char == "*" and not quoted:
            pieces.append("")
        else:
            pieces[-1] += "." if char == "?" and not quoted else re.escape(char)
    if inside:
        pieces = ["", *pieces, ""]
    # Atomic groups: each piece is found once, from the left, so hostile text cannot make it backtrack.
    middle = "".join(f"(?>.*?{piece})" for piece in pieces[1:-1] if piece)
    end = rf".*{pieces[-1]}" if len(pieces) > 1 else ""
    return re.compile(rf"{pieces[0]}{middle}{end}\Z", re.IGNORECASE | re.DOTALL)
